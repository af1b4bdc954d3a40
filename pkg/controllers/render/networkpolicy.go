// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

const networkPolicyPrefix = "sandbox-template-"

// NetworkPolicyName is the name of the NetworkPolicy of a template.
func NetworkPolicyName(template string) string { return networkPolicyPrefix + template }

// NetworkPolicyTemplate is the name of the template whose NetworkPolicy would have
// that name; empty if it is no such name.
func NetworkPolicyTemplate(policy string) string {
	template, _ := strings.CutPrefix(policy, networkPolicyPrefix)
	if template == policy {
		return ""
	}
	return template
}

// NetworkPolicy is what is kept for a template that is Managed. It selects the
// Pods of the template by its name, whatever UID the template had when they were
// made. It has no owner: the garbage collector must never be able to open the
// network of a Pod that runs. Its labels say whose it is.
func NetworkPolicy(template *v1beta1.SandboxTemplate) *networkingv1.NetworkPolicy {
	rules := template.Spec.NetworkPolicy.DeepCopy()
	if rules == nil {
		rules = defaultRules()
	}
	setProtocols(rules)
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{
			Name:      NetworkPolicyName(template.Name),
			Namespace: template.Namespace,
			Labels: map[string]string{
				managedByLabel:        managedBy,
				v1beta1.TemplateLabel: template.Name,
				// Of no Sandbox, but there: one selector finds all that is made here.
				v1beta1.SandboxNameLabel: "",
			},
		},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{v1beta1.TemplateLabel: template.Name}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Ingress:     rules.Ingress,
			Egress:      rules.Egress,
		},
	}
}

// IsNetworkPolicyOf says whether an object is the NetworkPolicy that was made for
// the template of that name, and not a foreign one that has its name.
func IsNetworkPolicyOf(policy *networkingv1.NetworkPolicy, template string) bool {
	return policy.Name == NetworkPolicyName(template) &&
		policy.Labels[v1beta1.TemplateLabel] == template &&
		policy.Labels[managedByLabel] == managedBy &&
		metav1.GetControllerOfNoCopy(policy) == nil
}

// NetworkPolicyManaged says whether the server keeps the NetworkPolicy of a template.
func NetworkPolicyManaged(template *v1beta1.SandboxTemplate) bool {
	return template.Spec.NetworkPolicyManagement != v1beta1.NetworkPolicyUnmanaged
}

// setProtocols does what the API server does, so that what is stored there equals
// what is rendered here.
func setProtocols(rules *v1beta1.NetworkPolicySpec) {
	var all [][]networkingv1.NetworkPolicyPort
	for _, rule := range rules.Ingress {
		all = append(all, rule.Ports)
	}
	for _, rule := range rules.Egress {
		all = append(all, rule.Ports)
	}
	for _, ports := range all {
		for i := range ports {
			if ports[i].Protocol == nil {
				ports[i].Protocol = ptr.To(corev1.ProtocolTCP)
			}
		}
	}
}

// defaultRules let in whoever is in a namespace marked as a gateway, and out to
// public addresses. The DNS of the cluster is on a private one: a Pod that wants
// names sets dnsConfig, or its template has rules of its own.
func defaultRules() *v1beta1.NetworkPolicySpec {
	return &v1beta1.NetworkPolicySpec{
		Ingress: []networkingv1.NetworkPolicyIngressRule{{
			From: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1beta1.GatewayLabel: "true"}},
			}},
		}},
		Egress: []networkingv1.NetworkPolicyEgressRule{{
			To: []networkingv1.NetworkPolicyPeer{{IPBlock: publicIPv4()}, {IPBlock: publicIPv6()}},
		}},
	}
}

// publicIPv4 is all but what the IANA registry of special-purpose addresses does
// not call globally reachable (RFC 6890), multicast, and one address of a cloud.
func publicIPv4() *networkingv1.IPBlock {
	return &networkingv1.IPBlock{
		CIDR: "0.0.0.0/0",
		Except: []string{
			"0.0.0.0/8",
			"10.0.0.0/8",
			"100.64.0.0/10", // shared by carriers; some clouds keep metadata and node addresses here
			"127.0.0.0/8",
			"168.63.129.16/32", // looks public, but is the wire server of every Azure host: it hands out secrets of the node
			"169.254.0.0/16",   // link-local, with the metadata of most clouds
			"172.16.0.0/12",
			"192.0.0.0/24", // with the metadata of Oracle's cloud
			"192.0.2.0/24",
			"192.88.99.0/24",
			"192.168.0.0/16",
			"198.18.0.0/15",
			"198.51.100.0/24",
			"203.0.113.0/24",
			"224.0.0.0/4",
			"240.0.0.0/4",
		},
	}
}

// publicIPv6 is the one block of which public addresses are given out. Outside of
// it are unique-local, link-local and multicast addresses, loopback, and those
// that stand for an IPv4 address (mapped, NAT64).
func publicIPv6() *networkingv1.IPBlock {
	return &networkingv1.IPBlock{
		CIDR: "2000::/3",
		Except: []string{
			"2001::/23", // protocol assignments; with Teredo, which stands for IPv4
			"2001:db8::/32",
			"2002::/16", // 6to4: stands for IPv4
			"3fff::/20",
		},
	}
}
