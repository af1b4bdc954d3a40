// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SuspendOptions is the body of a POST to sandboxes/NAME/suspend. An empty body
// means an empty SuspendOptions.
type SuspendOptions struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	Preconditions *metav1.Preconditions
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ResumeOptions is the body of a POST to sandboxes/NAME/resume. An empty body
// means an empty ResumeOptions.
type ResumeOptions struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	Preconditions *metav1.Preconditions
}
