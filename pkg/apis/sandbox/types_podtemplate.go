// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	corev1 "k8s.io/api/core/v1"
)

// PodTemplate describes the Pod of a Sandbox.
type PodTemplate struct {
	Metadata PodMetadata
	Spec     corev1.PodSpec
}

// PodMetadata is the part of object metadata that a template may set on a Pod.
type PodMetadata struct {
	Labels      map[string]string
	Annotations map[string]string
}

// EmbeddedObjectMetadata names and labels an object made from a template.
type EmbeddedObjectMetadata struct {
	Name        string
	Labels      map[string]string
	Annotations map[string]string
}

// PersistentVolumeClaimTemplate describes a disk that outlives the Pod.
type PersistentVolumeClaimTemplate struct {
	Metadata EmbeddedObjectMetadata
	Spec     corev1.PersistentVolumeClaimSpec
}
