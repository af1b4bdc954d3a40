// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/interning"
)

// internStored lets objects on their way into a watch cache share what is equal in them.
func internStored(interner *interning.Interner) func(runtime.Object) {
	return func(obj runtime.Object) {
		if stored, ok := obj.(*sandbox.Sandbox); ok {
			interner.PodSpec(&stored.Spec.PodTemplate.Spec)
		}
		if object, ok := obj.(metav1.Object); ok {
			interner.ManagedFields(object.GetManagedFields())
		}
	}
}
