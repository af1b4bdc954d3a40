// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// owned says whether a Pod or a Service belongs to the Sandbox: its controller
// reference carries the UID, or it has none since the garbage collector, told for a
// while that there was no such Sandbox, has taken that off; the anchor and the label
// remain. The latter is taken back with the next repair.
//
// Whoever may create or patch Pods can forge a label and an anchor. It gives them
// nothing: they can forge the controller reference too, which has always been believed,
// and every Pod that they could have us delete in this way they can have the collector
// delete, by an owner that does not exist. One with another controller is never ours.
func owned(obj metav1.Object, sandbox *v1beta1.Sandbox) bool {
	if ref := metav1.GetControllerOfNoCopy(obj); ref != nil {
		return ref.UID == sandbox.UID
	}
	return detached(obj, sandbox)
}

// detached says whether a child of the Sandbox has lost the reference to it.
func detached(obj metav1.Object, sandbox *v1beta1.Sandbox) bool {
	return render.Detached(obj) && render.ChildOf(obj) == sandbox.UID
}

// ownedPod is the Pod of the Sandbox, or nil.
func ownedPod(sandbox *v1beta1.Sandbox, seen observed) *corev1.Pod {
	if seen.pod == nil || !owned(seen.pod, sandbox) {
		return nil
	}
	return seen.pod
}

// ownsDisk says whether a PersistentVolumeClaim belongs to the Sandbox.
func ownsDisk(disk *corev1.PersistentVolumeClaim, sandbox *v1beta1.Sandbox) bool {
	return disk.Labels[v1beta1.SandboxUIDLabel] == string(sandbox.UID)
}

// retained says whether an earlier Sandbox of the same name left this disk behind.
func retained(disk *corev1.PersistentVolumeClaim, sandbox *v1beta1.Sandbox) bool {
	return disk.Labels[v1beta1.SandboxUIDLabel] == v1beta1.RetainedUID &&
		disk.Labels[v1beta1.SandboxNameLabel] == sandbox.Name
}

// isShared says whether a Service is the one that all Sandboxes of a namespace share.
func isShared(service *corev1.Service) bool {
	return service.Labels[v1beta1.SharedServiceLabel] == "true" && metav1.GetControllerOfNoCopy(service) == nil
}

// drift is what has to change in the metadata of current for it to say what wanted
// says, as the metadata of a merge patch; empty if nothing has. Labels, annotations
// and owners of others stay. Reserved labels that are not wanted go, and so does the
// anchor of a shared Service that no longer exists.
func drift(current, wanted metav1.Object) map[string]any {
	changes := map[string]any{}
	if labels := labelDrift(current.GetLabels(), wanted.GetLabels()); len(labels) > 0 {
		changes["labels"] = labels
	}
	if annotations := missing(current.GetAnnotations(), wanted.GetAnnotations()); len(annotations) > 0 {
		changes["annotations"] = annotations
	}
	if owners := withOwners(current.GetOwnerReferences(), wanted.GetOwnerReferences()); !apiequality.Semantic.DeepEqual(owners, current.GetOwnerReferences()) {
		changes["ownerReferences"] = owners
	}
	return changes
}

func labelDrift(current, wanted map[string]string) map[string]any {
	changes := map[string]any{}
	for key, value := range wanted {
		if existing, ok := current[key]; !ok || existing != value {
			changes[key] = value
		}
	}
	for key := range current {
		if _, ok := wanted[key]; !ok && render.Reserved(key) {
			changes[key] = nil
		}
	}
	return changes
}

// missing leaves an annotation that is there as it is: some webhooks rewrite those of
// a Pod as it is made (a mesh its metrics port, a network plugin its list of
// networks), and the value of the template would undo that.
func missing(current, wanted map[string]string) map[string]any {
	changes := map[string]any{}
	for key, value := range wanted {
		if _, ok := current[key]; !ok {
			changes[key] = value
		}
	}
	return changes
}

func withOwners(current, wanted []metav1.OwnerReference) []metav1.OwnerReference {
	if len(wanted) == 0 {
		return current
	}
	owners := slices.DeleteFunc(slices.Clone(current), func(ref metav1.OwnerReference) bool {
		return render.IsAnchor(ref) && !hasOwner(wanted, ref)
	})
	for _, ref := range wanted {
		if !hasOwner(owners, ref) {
			owners = append(owners, ref)
		}
	}
	return owners
}

func hasOwner(owners []metav1.OwnerReference, owner metav1.OwnerReference) bool {
	return slices.ContainsFunc(owners, func(ref metav1.OwnerReference) bool { return ref.UID == owner.UID })
}

// podDrift compares the metadata with that of a Pod that were made today, so that
// what a claim adds reaches the Pod that runs. A changed spec waits for the next Pod.
func podDrift(pod *corev1.Pod, sandbox *v1beta1.Sandbox, anchor *corev1.Service) map[string]any {
	var uid types.UID
	if anchor != nil && anchor.DeletionTimestamp == nil && isShared(anchor) {
		uid = anchor.UID
	}
	return drift(pod, render.Pod(sandbox, uid))
}

// serviceDrift is the merge patch that a Service of ours needs; empty if none.
func serviceDrift(current, wanted *corev1.Service) map[string]any {
	changes := map[string]any{}
	if metadata := drift(current, wanted); len(metadata) > 0 {
		changes["metadata"] = metadata
	}
	if !maps.Equal(current.Spec.Selector, wanted.Spec.Selector) {
		selector := map[string]any{}
		for key := range current.Spec.Selector {
			selector[key] = nil
		}
		for key, value := range wanted.Spec.Selector {
			selector[key] = value
		}
		changes["spec"] = map[string]any{"selector": selector}
	}
	return changes
}
