// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// preconditioned makes a merge patch that the API server refuses once obj is
// another object or has changed.
func preconditioned(changes map[string]any, obj metav1.Object) ([]byte, error) {
	metadata, _ := changes["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
		changes["metadata"] = metadata
	}
	metadata["uid"] = obj.GetUID()
	metadata["resourceVersion"] = obj.GetResourceVersion()
	patch, err := json.Marshal(changes)
	if err != nil {
		return nil, fmt.Errorf("encoding a patch: %w", err)
	}
	return patch, nil
}

// relabelled is the patch that says whose a disk is.
func relabelled(obj metav1.Object, uid string) ([]byte, error) {
	return preconditioned(map[string]any{
		"metadata": map[string]any{"labels": map[string]any{v1beta1.SandboxUIDLabel: uid}},
	}, obj)
}

// handedOver is the patch that leaves a Pod or a Service of the Sandbox to the user.
func handedOver(obj metav1.Object, sandbox *v1beta1.Sandbox) ([]byte, error) {
	metadata := map[string]any{"labels": map[string]any{v1beta1.SandboxUIDLabel: v1beta1.RetainedUID}}
	owners := slices.DeleteFunc(slices.Clone(obj.GetOwnerReferences()), func(ref metav1.OwnerReference) bool { return ref.UID == sandbox.UID })
	if len(owners) < len(obj.GetOwnerReferences()) {
		metadata["ownerReferences"] = owners
	}
	return preconditioned(map[string]any{"metadata": metadata}, obj)
}

// preconditionsFor the deletion of a child name its UID; and, where a label that
// anybody may take off is what makes it ours, the resourceVersion too.
func preconditionsFor(obj metav1.Object) *metav1.Preconditions {
	preconditions := metav1.NewUIDPreconditions(string(obj.GetUID()))
	if render.Detached(obj) {
		preconditions.ResourceVersion = ptr.To(obj.GetResourceVersion())
	}
	return preconditions
}

// child is a Pod or a Service.
type child interface {
	metav1.Object
	runtime.Object
}

// noteTakenBack reports a repair of what had lost its reference.
func (c *Controller) noteTakenBack(run *pass, before child) {
	if !detached(before, run.sandbox) {
		return
	}
	kind, resource := "Pod", "pods"
	if _, ok := before.(*corev1.Service); ok {
		kind, resource = "Service", "services"
	}
	takenBackChildren.WithLabelValues(resource).Inc()
	c.record(run.sandbox, before, event{
		corev1.EventTypeNormal, "TakenBack", "TakeBack",
		fmt.Sprintf("took back %s %q, which the garbage collector had detached from its Sandbox", kind, before.GetName()),
	})
}
