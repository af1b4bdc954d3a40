// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxTemplate is a blueprint from which warm pools and claims make
// Sandboxes, with one network policy for all of them.
type SandboxTemplate struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	Spec   SandboxTemplateSpec
	Status SandboxTemplateStatus
}

// SandboxTemplateSpec is what a template gives to its Sandboxes.
type SandboxTemplateSpec struct {
	PodTemplate                PodTemplate
	VolumeClaimTemplates       []PersistentVolumeClaimTemplate
	Service                    *bool
	NetworkPolicy              *NetworkPolicySpec
	NetworkPolicyManagement    NetworkPolicyManagement
	EnvVarsInjectionPolicy     InjectionPolicy
	VolumeClaimTemplatesPolicy InjectionPolicy
}

// NetworkPolicySpec is the part of a NetworkPolicy that a template may choose.
type NetworkPolicySpec struct {
	Ingress []networkingv1.NetworkPolicyIngressRule
	Egress  []networkingv1.NetworkPolicyEgressRule
}

// NetworkPolicyManagement says who keeps the NetworkPolicy of a template.
type NetworkPolicyManagement string

const (
	// NetworkPolicyManaged lets the server keep the NetworkPolicy.
	NetworkPolicyManaged NetworkPolicyManagement = "Managed"
	// NetworkPolicyUnmanaged leaves it to the user.
	NetworkPolicyUnmanaged NetworkPolicyManagement = "Unmanaged"
)

// InjectionPolicy says how far a claim may change what a template gives.
type InjectionPolicy string

const (
	// InjectionDisallowed refuses any change.
	InjectionDisallowed InjectionPolicy = "Disallowed"
	// InjectionAllowed lets a claim add what the template does not have.
	InjectionAllowed InjectionPolicy = "Allowed"
	// InjectionOverrides lets a claim replace what the template has as well.
	InjectionOverrides InjectionPolicy = "Overrides"
)

// SandboxTemplateStatus is the observed state of a template.
type SandboxTemplateStatus struct {
	Conditions []metav1.Condition
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxTemplateList is a list of SandboxTemplates.
type SandboxTemplateList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []SandboxTemplate
}
