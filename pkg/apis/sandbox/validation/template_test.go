// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

func validTemplate() *sandbox.SandboxTemplate {
	return &sandbox.SandboxTemplate{
		ObjectMeta: validMeta(),
		Spec: sandbox.SandboxTemplateSpec{
			PodTemplate:                validPodTemplate(),
			VolumeClaimTemplates:       []sandbox.PersistentVolumeClaimTemplate{dataVolume()},
			NetworkPolicy:              &sandbox.NetworkPolicySpec{},
			NetworkPolicyManagement:    sandbox.NetworkPolicyManaged,
			EnvVarsInjectionPolicy:     sandbox.InjectionAllowed,
			VolumeClaimTemplatesPolicy: sandbox.InjectionDisallowed,
		},
	}
}

func TestValidateSandboxTemplate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*sandbox.SandboxTemplate)
		want   []string
	}{
		{name: "valid", change: func(*sandbox.SandboxTemplate) {}},
		{
			name:   "bad name",
			change: func(p *sandbox.SandboxTemplate) { p.Name = "Python" },
			want:   []string{"metadata.name: FieldValueInvalid"},
		},
		{
			name: "bad Pod and volume",
			change: func(p *sandbox.SandboxTemplate) {
				p.Spec.PodTemplate.Spec.Containers = nil
				p.Spec.VolumeClaimTemplates[0].Spec.AccessModes = nil
			},
			want: []string{
				"spec.podTemplate.spec.containers: FieldValueRequired",
				"spec.volumeClaimTemplates[0].spec.accessModes: FieldValueRequired",
			},
		},
		{
			name: "unknown values",
			change: func(p *sandbox.SandboxTemplate) {
				p.Spec.NetworkPolicyManagement = "Auto"
				p.Spec.EnvVarsInjectionPolicy = "Yes"
				p.Spec.VolumeClaimTemplatesPolicy = ""
			},
			want: []string{
				"spec.networkPolicyManagement: FieldValueNotSupported",
				"spec.envVarsInjectionPolicy: FieldValueNotSupported",
				"spec.volumeClaimTemplatesPolicy: FieldValueNotSupported",
			},
		},
		{
			name: "bad rule",
			change: func(p *sandbox.SandboxTemplate) {
				p.Spec.NetworkPolicy.Egress = []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{}}}}
			},
			want: []string{"spec.networkPolicy.egress[0].to[0]: FieldValueRequired"},
		},
		{
			name: "too large",
			change: func(p *sandbox.SandboxTemplate) {
				p.Spec.PodTemplate.Spec.Containers[0].Args = []string{strings.Repeat("x", MaxObjectBytes)}
			},
			want: []string{"spec: FieldValueTooLong"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			template := validTemplate()
			test.change(template)
			assertErrors(t, test.want, ValidateSandboxTemplate(template))
			assertErrors(t, nil, ValidateSandboxTemplateUpdate(template, template.DeepCopy()))
		})
	}
}

func TestValidateSandboxTemplateUpdate(t *testing.T) {
	template := validTemplate()
	template.Spec.PodTemplate.Spec.Containers[0].Image = "python:3.14-slim"
	template.Spec.VolumeClaimTemplates = nil
	template.Spec.NetworkPolicy = nil
	assertErrors(t, nil, ValidateSandboxTemplateUpdate(template, validTemplate()))

	template.Spec.PodTemplate.Spec.Containers[0].Image = ""
	assertErrors(t, []string{"spec.podTemplate.spec.containers[0].image: FieldValueRequired"}, ValidateSandboxTemplateUpdate(template, validTemplate()))
}

func TestValidateSandboxTemplateStatusUpdate(t *testing.T) {
	template := validTemplate()
	template.Status.Conditions = []metav1.Condition{validCondition()}
	assertErrors(t, nil, ValidateSandboxTemplateStatusUpdate(template, validTemplate()))

	template.Status.Conditions = append(template.Status.Conditions, validCondition())
	assertErrors(t, []string{"status.conditions[1]: FieldValueDuplicate"}, ValidateSandboxTemplateStatusUpdate(template, validTemplate()))
}

func TestValidatePolicyPorts(t *testing.T) {
	tests := []struct {
		name string
		port networkingv1.NetworkPolicyPort
		want []string
	}{
		{name: "any"},
		{name: "named", port: networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromString("http"))}},
		{
			name: "range",
			port: networkingv1.NetworkPolicyPort{Protocol: ptr.To(corev1.ProtocolUDP), Port: ptr.To(intstr.FromInt32(1)), EndPort: ptr.To[int32](65535)},
		},
		{
			name: "unknown protocol",
			port: networkingv1.NetworkPolicyPort{Protocol: ptr.To[corev1.Protocol]("QUIC")},
			want: []string{"p[0].protocol: FieldValueNotSupported"},
		},
		{
			name: "port 0",
			port: networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromInt32(0))},
			want: []string{"p[0].port: FieldValueInvalid"},
		},
		{
			name: "bad port name",
			port: networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromString("much-too-long-a-name"))},
			want: []string{"p[0].port: FieldValueInvalid"},
		},
		{
			name: "end before start",
			port: networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromInt32(80)), EndPort: ptr.To[int32](79)},
			want: []string{"p[0].endPort: FieldValueInvalid"},
		},
		{
			name: "end out of range",
			port: networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromInt32(80)), EndPort: ptr.To[int32](65536)},
			want: []string{"p[0].endPort: FieldValueInvalid"},
		},
		{
			name: "end without start",
			port: networkingv1.NetworkPolicyPort{EndPort: ptr.To[int32](80)},
			want: []string{"p[0].endPort: FieldValueInvalid"},
		},
		{
			name: "end of a named port",
			port: networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromString("http")), EndPort: ptr.To[int32](80)},
			want: []string{"p[0].endPort: FieldValueInvalid"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			assertErrors(t, test.want, validatePolicyPorts([]networkingv1.NetworkPolicyPort{test.port}, field.NewPath("p")))
		})
	}
}

func TestValidatePolicyPeer(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
	badSelector := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}
	tests := []struct {
		name string
		peer networkingv1.NetworkPolicyPeer
		want []string
	}{
		{name: "selectors", peer: networkingv1.NetworkPolicyPeer{PodSelector: selector, NamespaceSelector: &metav1.LabelSelector{}}},
		{name: "block", peer: networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8"}}}},
		{name: "IPv6 block", peer: networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "::/0", Except: []string{"FE80::/10"}}}},
		{name: "nothing", want: []string{"peer: FieldValueRequired"}},
		{
			name: "both",
			peer: networkingv1.NetworkPolicyPeer{PodSelector: selector, IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8"}},
			want: []string{"peer: FieldValueForbidden"},
		},
		{
			name: "bad operator",
			peer: networkingv1.NetworkPolicyPeer{NamespaceSelector: badSelector},
			want: []string{"peer.namespaceSelector.matchExpressions[0].operator: FieldValueInvalid"},
		},
		{
			name: "no cidr",
			peer: networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{}},
			want: []string{"peer.ipBlock.cidr: FieldValueRequired"},
		},
		{
			name: "no prefix",
			peer: networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.1"}},
			want: []string{"peer.ipBlock.cidr: FieldValueInvalid"},
		},
		{
			name: "bits behind the prefix",
			peer: networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.1/8"}},
			want: []string{"peer.ipBlock.cidr: FieldValueInvalid"},
		},
		{
			name: "except outside, equal and of the other family",
			peer: networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"192.168.0.0/16", "10.0.0.0/8", "fe80::/10", "10.1.0.0/16"}}},
			want: []string{"peer.ipBlock.except[0]: FieldValueInvalid", "peer.ipBlock.except[1]: FieldValueInvalid", "peer.ipBlock.except[2]: FieldValueInvalid"},
		},
		{
			name: "except is no prefix",
			peer: networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"ten"}}},
			want: []string{"peer.ipBlock.except[0]: FieldValueInvalid"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			assertErrors(t, test.want, validatePolicyPeer(&test.peer, field.NewPath("peer")))
		})
	}
}

func TestIngressRulesAreValidated(t *testing.T) {
	policy := &sandbox.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{
		Ports: []networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromInt32(70000))}},
		From:  []networkingv1.NetworkPolicyPeer{{}},
	}}}
	errs := validateNetworkPolicy(policy, field.NewPath("n"))
	require.Len(t, errs, 2)
	assertErrors(t, []string{"n.ingress[0].ports[0].port: FieldValueInvalid", "n.ingress[0].from[0]: FieldValueRequired"}, errs)
}
