// SPDX-License-Identifier: Apache-2.0

package render

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// ChildOf is the UID of the Sandbox that a Pod or an own Service says it was made
// for: by its labels, by a name that is the Sandbox's, and by its anchor. Empty if
// it does not. One that was left to the user says RetainedUID, and counts as none.
func ChildOf(obj metav1.Object) types.UID {
	labels := obj.GetLabels()
	uid := labels[v1beta1.SandboxUIDLabel]
	if uid == v1beta1.RetainedUID || labels[v1beta1.SandboxNameLabel] != obj.GetName() || !slices.ContainsFunc(obj.GetOwnerReferences(), IsAnchor) {
		return ""
	}
	return types.UID(uid)
}

// Detached says whether a child has lost its controller reference, and names no
// Sandbox in another one. That is what the garbage collector leaves of it when it was
// told that there is no such Sandbox.
func Detached(obj metav1.Object) bool {
	return ChildOf(obj) != "" && metav1.GetControllerOfNoCopy(obj) == nil &&
		!slices.ContainsFunc(obj.GetOwnerReferences(), func(ref metav1.OwnerReference) bool {
			return ref.Kind == "Sandbox" && strings.HasPrefix(ref.APIVersion, v1beta1.GroupName+"/")
		})
}

// IsAnchor says whether an owner is a shared Service of the namespace: that of today
// or an earlier one.
func IsAnchor(ref metav1.OwnerReference) bool {
	return ref.APIVersion == corev1.SchemeGroupVersion.String() && ref.Kind == "Service" && ref.Name == v1beta1.SharedServiceName
}
