// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// poolKind is the kind of the controller of an unclaimed member.
const poolKind = "SandboxWarmPool"

// holds says whether the Sandbox is the claim's.
func holds(claim *v1beta1.SandboxClaim, sandbox *v1beta1.Sandbox) bool {
	ref := sandbox.Spec.ClaimRef
	return ref != nil && ref.UID != "" && ref.UID == claim.UID
}

// controlledBy says whether a claim of that UID is the controller of the Sandbox.
// It is not after a deletion of the claim that was to orphan the Sandbox.
func controlledBy(sandbox *v1beta1.Sandbox, claim types.UID) bool {
	owner := metav1.GetControllerOfNoCopy(sandbox)
	return owner != nil && owner.UID == claim
}

// abandoned says whether the Sandbox is to go because the claim that it names is
// gone. claim is the one that has its name now, nil if none has.
func abandoned(sandbox *v1beta1.Sandbox, claim *v1beta1.SandboxClaim) bool {
	ref := sandbox.Spec.ClaimRef
	return ref != nil && ref.UID != "" && (claim == nil || claim.UID != ref.UID) &&
		controlledBy(sandbox, ref.UID) && sandbox.DeletionTimestamp == nil
}

// waits says whether the claim has yet to be given a Sandbox. Whether its lifetime
// is over is another question.
func waits(claim *v1beta1.SandboxClaim) bool {
	return claim.Spec.OnEmptyPool == v1beta1.OnEmptyPoolWait && claim.Status.Sandbox == nil &&
		!bound(claim) && claim.DeletionTimestamp == nil
}

func bound(claim *v1beta1.SandboxClaim) bool {
	return meta.IsStatusConditionTrue(claim.Status.Conditions, v1beta1.ConditionBound)
}

// foreground says whether a deleted claim waits for its Sandbox to go first.
func foreground(claim *v1beta1.SandboxClaim) bool {
	return slices.Contains(claim.Finalizers, metav1.FinalizerDeleteDependents)
}

// available says whether it is worth asking for the Sandbox. Who answers knows more:
// whether its template is the current one, and whether somebody else was faster.
func available(sandbox *v1beta1.Sandbox) bool {
	owner := metav1.GetControllerOfNoCopy(sandbox)
	ready := meta.FindStatusCondition(sandbox.Status.Conditions, v1beta1.ConditionReady)
	return owner != nil && owner.Kind == poolKind &&
		sandbox.Spec.ClaimRef == nil && sandbox.DeletionTimestamp == nil &&
		ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == sandbox.Generation
}
