// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	corev1 "k8s.io/api/core/v1"
)

// PodTemplate describes the Pod of a Sandbox.
type PodTemplate struct {
	// Metadata holds labels and annotations that are put on the Pod. Keys under
	// "sandbox.agents.x-k8s.io/" are reserved for the server and are refused.
	// +optional
	Metadata PodMetadata `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// Spec is the specification of the Pod. The cluster itself checks it when
	// the object is created. The stored spec stays as it was written: defaults
	// of the Pod are applied when the Pod is made. Where they are not set, a
	// Sandbox runs with automountServiceAccountToken=false and
	// enableServiceLinks=false, with hostname set to the name of the Sandbox and
	// with subdomain "sandboxes".
	Spec corev1.PodSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`
}

// PodMetadata is the part of object metadata that a template may set on a Pod.
type PodMetadata struct {
	// Labels are added to the labels of the Pod.
	// +optional
	Labels map[string]string `json:"labels,omitempty" protobuf:"bytes,1,rep,name=labels"`

	// Annotations are added to the annotations of the Pod.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty" protobuf:"bytes,2,rep,name=annotations"`
}

// EmbeddedObjectMetadata names and labels an object made from a template.
type EmbeddedObjectMetadata struct {
	// Name is the name of the template. Pods mount the volume under this name;
	// the claim that is made is called NAME-SANDBOX.
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`

	// Labels are put on the object that is made.
	// +optional
	Labels map[string]string `json:"labels,omitempty" protobuf:"bytes,2,rep,name=labels"`

	// Annotations are put on the object that is made.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty" protobuf:"bytes,3,rep,name=annotations"`
}

// PersistentVolumeClaimTemplate describes a disk that outlives the Pod.
type PersistentVolumeClaimTemplate struct {
	// Metadata names the template. The name is required and unique within the list.
	Metadata EmbeddedObjectMetadata `json:"metadata" protobuf:"bytes,1,opt,name=metadata"`

	// Spec is the specification of the PersistentVolumeClaim. At least one
	// access mode and a storage request are required.
	Spec corev1.PersistentVolumeClaimSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`
}
