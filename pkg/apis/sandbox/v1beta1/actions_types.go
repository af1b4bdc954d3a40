// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SuspendOptions is the body of a POST to sandboxes/NAME/suspend. An empty body
// means an empty SuspendOptions.
type SuspendOptions struct {
	metav1.TypeMeta `json:",inline"`

	// Standard object metadata. The name may be given and must then be that of
	// the Sandbox.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// Preconditions must hold for the Sandbox, or the call is refused with 409 Conflict.
	// +optional
	Preconditions *metav1.Preconditions `json:"preconditions,omitempty" protobuf:"bytes,2,opt,name=preconditions"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ResumeOptions is the body of a POST to sandboxes/NAME/resume. An empty body
// means an empty ResumeOptions.
type ResumeOptions struct {
	metav1.TypeMeta `json:",inline"`

	// Standard object metadata. The name may be given and must then be that of
	// the Sandbox.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// Preconditions must hold for the Sandbox, or the call is refused with 409 Conflict.
	// +optional
	Preconditions *metav1.Preconditions `json:"preconditions,omitempty" protobuf:"bytes,2,opt,name=preconditions"`
}
