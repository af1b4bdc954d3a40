// SPDX-License-Identifier: Apache-2.0

package render

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestNetworkPolicyOfATemplate(t *testing.T) {
	template := newTemplate()
	before := template.DeepCopy()

	policy := NetworkPolicy(template)

	assert.Equal(t, before, template)
	assert.Equal(t, "team/sandbox-template-python", policy.Namespace+"/"+policy.Name)
	assert.Empty(t, policy.OwnerReferences, "the garbage collector would open the network of Pods that run")
	assert.Equal(t, map[string]string{v1beta1.TemplateLabel: "python"}, policy.Spec.PodSelector.MatchLabels)
	assert.Equal(t, []networkingv1.PolicyType{"Ingress", "Egress"}, policy.Spec.PolicyTypes)
	assert.Contains(t, policy.Labels, v1beta1.SandboxNameLabel, "one selector finds everything")
	assert.Equal(t, []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"sandbox.agents.x-k8s.io/gateway": "true"}},
	}}}}, policy.Spec.Ingress)

	long := newTemplate(func(t *v1beta1.SandboxTemplate) { t.Name = strings.Repeat("a", 63) })
	assert.Empty(t, utilvalidation.IsDNS1123Subdomain(NetworkPolicy(long).Name))
}

func TestNetworkPolicyNames(t *testing.T) {
	for policy, template := range map[string]string{
		NetworkPolicyName("python"): "python", "sandbox-template-": "", "python": "", "": "",
		NetworkPolicyName("sandbox-template-x"): "sandbox-template-x",
	} {
		assert.Equal(t, template, NetworkPolicyTemplate(policy), policy)
	}
}

func TestRulesOfTheTemplateAreTaken(t *testing.T) {
	port := intstr.FromInt32(443)
	template := newTemplate(func(t *v1beta1.SandboxTemplate) {
		t.Spec.NetworkPolicy = &v1beta1.NetworkPolicySpec{
			Egress: []networkingv1.NetworkPolicyEgressRule{{
				Ports: []networkingv1.NetworkPolicyPort{{Port: &port}, {Protocol: ptr.To(corev1.ProtocolUDP)}},
			}},
		}
	})
	before := template.DeepCopy()

	policy := NetworkPolicy(template)

	assert.Empty(t, policy.Spec.Ingress, "nothing comes in")
	assert.Equal(t, []networkingv1.NetworkPolicyEgressRule{{Ports: []networkingv1.NetworkPolicyPort{
		{Port: &port, Protocol: ptr.To(corev1.ProtocolTCP)}, {Protocol: ptr.To(corev1.ProtocolUDP)},
	}}}, policy.Spec.Egress, "as the API server stores them")
	assert.Equal(t, before, template)

	template.Spec.NetworkPolicy = &v1beta1.NetworkPolicySpec{}
	policy = NetworkPolicy(template)
	assert.Empty(t, policy.Spec.Ingress)
	assert.Empty(t, policy.Spec.Egress, "rules that are given and empty are no default rules")
}

func TestDefaultEgress(t *testing.T) {
	blocks := NetworkPolicy(newTemplate()).Spec.Egress[0].To
	tests := map[string][]string{
		"allowed": {
			"1.1.1.1", "8.8.8.8", "140.82.112.3", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "168.63.129.15",
			"192.0.1.1", "11.0.0.1", "223.255.255.254",
			"2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450::1", "2400:cb00::1",
		},
		"private":                 {"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1"},
		"metadata":                {"169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254", "fe80::a9fe:a9fe"},
		"carriers":                {"100.64.0.1", "100.127.255.255"},
		"loopback":                {"127.0.0.1", "127.255.255.255", "::1"},
		"unspecified":             {"0.0.0.0", "0.1.2.3", "::"},
		"link-local":              {"169.254.0.1", "fe80::1", "febf::1"},
		"unique-local":            {"fc00::1", "fdff::1"},
		"multicast":               {"224.0.0.251", "239.255.255.250", "ff02::1", "ff0e::1"},
		"reserved":                {"240.0.0.1", "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "2001:db8::1", "3fff::1", "5f00::1", "100::1"},
		"an IPv4 address inside":  {"::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::1", "2001:0:a00:1::1", "::10.0.0.1", "192.88.99.1"},
		"site-local, long unused": {"fec0::1"},
	}
	for what, addresses := range tests {
		for _, address := range addresses {
			assert.Equal(t, what == "allowed", reaches(t, blocks, address), "%s: %s", what, address)
		}
	}
}

func reaches(t *testing.T, peers []networkingv1.NetworkPolicyPeer, address string) bool {
	t.Helper()
	addr, err := netip.ParseAddr(address)
	require.NoError(t, err)
	within := func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(addr) }
	return slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool {
		return within(peer.IPBlock.CIDR) && !slices.ContainsFunc(peer.IPBlock.Except, within)
	})
}

// What kube-apiserver wants of an ipBlock.
func TestDefaultBlocksAreValid(t *testing.T) {
	for _, peer := range NetworkPolicy(newTemplate()).Spec.Egress[0].To {
		outer := netip.MustParsePrefix(peer.IPBlock.CIDR)
		assert.Equal(t, outer.Masked(), outer)
		for _, except := range peer.IPBlock.Except {
			inner := netip.MustParsePrefix(except)
			assert.Equal(t, inner.Masked(), inner, except)
			assert.True(t, outer.Contains(inner.Addr()) && inner.Bits() > outer.Bits(), except)
		}
	}
}

func TestWhoseNetworkPolicy(t *testing.T) {
	tests := map[string]struct {
		change func(*networkingv1.NetworkPolicy)
		want   bool
	}{
		"ours":                      {func(*networkingv1.NetworkPolicy) {}, true},
		"with labels of others":     {func(p *networkingv1.NetworkPolicy) { p.Labels["app"] = "x" }, true},
		"out of sight of the cache": {func(p *networkingv1.NetworkPolicy) { delete(p.Labels, v1beta1.SandboxNameLabel) }, true},
		"a stranger's":              {func(p *networkingv1.NetworkPolicy) { p.Labels = nil }, false},
		"of another template":       {func(p *networkingv1.NetworkPolicy) { p.Labels[v1beta1.TemplateLabel] = "ruby" }, false},
		"of another name":           {func(p *networkingv1.NetworkPolicy) { p.Name = "python" }, false},
		"made by another program":   {func(p *networkingv1.NetworkPolicy) { p.Labels["app.kubernetes.io/managed-by"] = "Helm" }, false},
		"controlled by somebody": {func(p *networkingv1.NetworkPolicy) {
			p.OwnerReferences = []metav1.OwnerReference{{UID: "uid-x", Controller: ptr.To(true)}}
		}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			policy := NetworkPolicy(newTemplate())
			test.change(policy)
			assert.Equal(t, test.want, IsNetworkPolicyOf(policy, "python"))
		})
	}
}

func TestWhoKeepsTheNetworkPolicy(t *testing.T) {
	for management, want := range map[v1beta1.NetworkPolicyManagement]bool{
		"": true, v1beta1.NetworkPolicyManaged: true, v1beta1.NetworkPolicyUnmanaged: false,
	} {
		template := newTemplate(func(t *v1beta1.SandboxTemplate) { t.Spec.NetworkPolicyManagement = management })
		assert.Equal(t, want, NetworkPolicyManaged(template))
	}
}
