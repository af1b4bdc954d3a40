// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// urgency of a key, as the cache has its Sandbox. One that is gone may have left a Pod.
func (c *Controller) urgency(key worker.Key) worker.Urgency {
	sandbox, err := c.SandboxInformer.Lister().Sandboxes(key.Namespace).Get(key.Name)
	if err != nil {
		return worker.Urgent
	}
	return urgencyOf(sandbox)
}

// urgencyOf puts what somebody waits for before what a pool keeps for a claim to come, and
// Sandboxes that have been begun before new ones: who came first is served first. For one that
// is Ready as it was asked for, as after a warm claim, only labels are left to do.
func urgencyOf(sandbox *v1beta1.Sandbox) worker.Urgency {
	ready := meta.FindStatusCondition(sandbox.Status.Conditions, v1beta1.ConditionReady)
	switch {
	case sandbox.DeletionTimestamp != nil:
		return worker.Urgent
	case keptReady(sandbox):
		return worker.Background
	case ready == nil, ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == sandbox.Generation:
		return worker.Normal
	default:
		return worker.Urgent
	}
}

func keptReady(sandbox *v1beta1.Sandbox) bool {
	owner := metav1.GetControllerOfNoCopy(sandbox)
	return sandbox.Spec.ClaimRef == nil && owner != nil &&
		owner.Kind == "SandboxWarmPool" && owner.APIVersion == v1beta1.SchemeGroupVersion.String()
}
