// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxTemplate is a blueprint from which warm pools and claims make
// Sandboxes, with one network policy for all of them.
type SandboxTemplate struct {
	metav1.TypeMeta `json:",inline"`

	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// Spec is the blueprint.
	Spec SandboxTemplateSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`

	// Status is the observed state of the template.
	// +optional
	Status SandboxTemplateStatus `json:"status,omitempty" protobuf:"bytes,3,opt,name=status"`
}

// SandboxTemplateSpec is what a template gives to its Sandboxes.
type SandboxTemplateSpec struct {
	// PodTemplate becomes spec.podTemplate of the Sandboxes.
	PodTemplate PodTemplate `json:"podTemplate" protobuf:"bytes,1,opt,name=podTemplate"`

	// VolumeClaimTemplates become spec.volumeClaimTemplates of the Sandboxes.
	// +optional
	// +listType=atomic
	VolumeClaimTemplates []PersistentVolumeClaimTemplate `json:"volumeClaimTemplates,omitempty" protobuf:"bytes,2,rep,name=volumeClaimTemplates"`

	// Service becomes spec.service of the Sandboxes.
	// +optional
	Service *bool `json:"service,omitempty" protobuf:"varint,3,opt,name=service"`

	// NetworkPolicy says what may reach the Pods of the template and what they
	// may reach. Left out and Managed, ingress is allowed only from namespaces labelled
	// sandbox.agents.x-k8s.io/gateway=true and egress only to public addresses.
	// +optional
	NetworkPolicy *NetworkPolicySpec `json:"networkPolicy,omitempty" protobuf:"bytes,4,opt,name=networkPolicy"`

	// NetworkPolicyManagement is Managed (the default: the server keeps one
	// NetworkPolicy for the template) or Unmanaged.
	// +optional
	NetworkPolicyManagement NetworkPolicyManagement `json:"networkPolicyManagement,omitempty" protobuf:"bytes,5,opt,name=networkPolicyManagement,casttype=NetworkPolicyManagement"`

	// EnvVarsInjectionPolicy says whether a claim may set environment variables:
	// Disallowed (the default), Allowed (new ones only) or Overrides.
	// +optional
	EnvVarsInjectionPolicy InjectionPolicy `json:"envVarsInjectionPolicy,omitempty" protobuf:"bytes,6,opt,name=envVarsInjectionPolicy,casttype=InjectionPolicy"`

	// VolumeClaimTemplatesPolicy says whether a claim may bring disks: Disallowed
	// (the default), Allowed (new ones only) or Overrides.
	// +optional
	VolumeClaimTemplatesPolicy InjectionPolicy `json:"volumeClaimTemplatesPolicy,omitempty" protobuf:"bytes,7,opt,name=volumeClaimTemplatesPolicy,casttype=InjectionPolicy"`
}

// NetworkPolicySpec is the part of a NetworkPolicy that a template may choose.
type NetworkPolicySpec struct {
	// Ingress rules; an empty list allows nothing in.
	// +optional
	// +listType=atomic
	Ingress []networkingv1.NetworkPolicyIngressRule `json:"ingress,omitempty" protobuf:"bytes,1,rep,name=ingress"`

	// Egress rules; an empty list allows nothing out.
	// +optional
	// +listType=atomic
	Egress []networkingv1.NetworkPolicyEgressRule `json:"egress,omitempty" protobuf:"bytes,2,rep,name=egress"`
}

// NetworkPolicyManagement says who keeps the NetworkPolicy of a template.
// +enum
type NetworkPolicyManagement string

const (
	// NetworkPolicyManaged lets the server keep the NetworkPolicy.
	NetworkPolicyManaged NetworkPolicyManagement = "Managed"
	// NetworkPolicyUnmanaged leaves it to the user.
	NetworkPolicyUnmanaged NetworkPolicyManagement = "Unmanaged"
)

// InjectionPolicy says how far a claim may change what a template gives.
// +enum
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
	// Conditions of the template.
	// +optional
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type" protobuf:"bytes,1,rep,name=conditions"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxTemplateList is a list of SandboxTemplates.
type SandboxTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// Items are the SandboxTemplates.
	Items []SandboxTemplate `json:"items" protobuf:"bytes,2,rep,name=items"`
}
