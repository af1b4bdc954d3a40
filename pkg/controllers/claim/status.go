// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// reasonTemplateNotFound is PoolNotFound one step further: nothing will become
// available.
const reasonTemplateNotFound = "TemplateNotFound"

// statusOf is the status that the claim should have now. What does not change keeps
// its lastTransitionTime, so an unchanged state gives an equal status.
func statusOf(claim *v1beta1.SandboxClaim, seen observed, p plan, now time.Time) v1beta1.SandboxClaimStatus {
	status := *claim.Status.DeepCopy()
	switch p.state {
	case held:
		status.Sandbox = mirrored(claim, seen.sandbox)
	case lost:
		status.Sandbox = remains(claim)
	}
	wanted := []metav1.Condition{boundOf(claim, seen, p), readyOf(claim, seen, p)}
	if finished := finishedOf(claim, seen); finished != nil {
		wanted = append(wanted, *finished)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1beta1.ConditionFinished)
	}
	for _, condition := range wanted {
		condition.ObservedGeneration = claim.Generation
		if condition.LastTransitionTime.IsZero() {
			condition.LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
		}
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	return status
}

// mirrored is what a client needs to reach the Sandbox. One that has reported
// nothing yet takes nothing away from what the claim was stored with.
func mirrored(claim *v1beta1.SandboxClaim, sandbox *v1beta1.Sandbox) *v1beta1.ClaimedSandbox {
	current := claim.Status.Sandbox
	if current == nil {
		current = &v1beta1.ClaimedSandbox{LaunchType: launchOf(claim, sandbox)}
	}
	if current.Name == sandbox.Name && !reports(sandbox) {
		return current.DeepCopy()
	}
	return &v1beta1.ClaimedSandbox{
		Name:        sandbox.Name,
		PodIPs:      slices.Clone(sandbox.Status.PodIPs),
		ServiceFQDN: sandbox.Status.ServiceFQDN,
		NodeName:    sandbox.Status.NodeName,
		LaunchType:  current.LaunchType,
	}
}

// launchOf is for a status that has been lost. Who waits is never started cold, and
// a Sandbox that was started cold is not older than its claim.
func launchOf(claim *v1beta1.SandboxClaim, sandbox *v1beta1.Sandbox) v1beta1.LaunchType {
	if claim.Spec.OnEmptyPool == v1beta1.OnEmptyPoolWait || sandbox.CreationTimestamp.Before(&claim.CreationTimestamp) {
		return v1beta1.LaunchWarm
	}
	return v1beta1.LaunchCold
}

// remains keeps the name of a lost Sandbox: it tells what happened, and keeps the
// claim from drawing another one.
func remains(claim *v1beta1.SandboxClaim) *v1beta1.ClaimedSandbox {
	if claim.Status.Sandbox == nil {
		return nil
	}
	return &v1beta1.ClaimedSandbox{Name: claim.Status.Sandbox.Name, LaunchType: claim.Status.Sandbox.LaunchType}
}

func reports(sandbox *v1beta1.Sandbox) bool {
	return meta.FindStatusCondition(sandbox.Status.Conditions, v1beta1.ConditionReady) != nil
}

func boundOf(claim *v1beta1.SandboxClaim, seen observed, p plan) metav1.Condition {
	condition := metav1.Condition{Type: v1beta1.ConditionBound, Status: metav1.ConditionFalse}
	switch {
	case p.state == held:
		condition.Status, condition.Reason = metav1.ConditionTrue, v1beta1.ReasonSandboxBound
	case p.state == lost:
		condition.Reason, condition.Message = v1beta1.ReasonSandboxLost, lostMessage(claim)
	case p.expired:
		condition.Reason, condition.Message = v1beta1.ReasonClaimExpired, expiredMessage
	default:
		condition.Reason, condition.Message = waitingFor(claim, seen)
	}
	return condition
}

// readyOf says what the Ready of the Sandbox says, and why there is none.
func readyOf(claim *v1beta1.SandboxClaim, seen observed, p plan) metav1.Condition {
	condition := metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse}
	switch {
	case p.expired:
		condition.Reason, condition.Message = v1beta1.ReasonClaimExpired, expiredMessage
	case p.state == waiting:
		condition.Reason, condition.Message = waitingFor(claim, seen)
	case p.state == lost:
		condition.Reason, condition.Message = v1beta1.ReasonSandboxLost, lostMessage(claim)
	default:
		return mirroredReady(claim, seen.sandbox)
	}
	return condition
}

func mirroredReady(claim *v1beta1.SandboxClaim, sandbox *v1beta1.Sandbox) metav1.Condition {
	condition := metav1.Condition{
		Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse,
		Reason: v1beta1.ReasonSandboxStarting, Message: "the Sandbox was made for this claim and is starting",
	}
	reported := meta.FindStatusCondition(sandbox.Status.Conditions, v1beta1.ConditionReady)
	stored := meta.FindStatusCondition(claim.Status.Conditions, v1beta1.ConditionReady)
	switch {
	case reported != nil:
		condition.Status, condition.Reason, condition.Message = reported.Status, reported.Reason, reported.Message
	case stored != nil && stored.Reason == condition.Reason:
		condition.Message = stored.Message
	}
	return condition
}

const expiredMessage = "the lifetime of the claim is over: extend spec.lifecycle to go on"

func lostMessage(claim *v1beta1.SandboxClaim) string {
	if claim.Status.Sandbox == nil {
		return "the Sandbox of this claim is gone: delete the claim and create another"
	}
	return fmt.Sprintf("Sandbox %q is gone or held by another claim: delete this claim and create another", claim.Status.Sandbox.Name)
}

// waitingFor keeps the words with which the claim was stored.
func waitingFor(claim *v1beta1.SandboxClaim, seen observed) (reason, message string) {
	pool := claim.Spec.WarmPoolRef.Name
	switch {
	case seen.pool == nil || seen.pool.DeletionTimestamp != nil:
		return v1beta1.ReasonPoolNotFound, fmt.Sprintf("SandboxWarmPool %q does not exist: create it, or delete the claim", pool)
	case seen.template == nil:
		return reasonTemplateNotFound, fmt.Sprintf("SandboxTemplate %q of pool %q does not exist: create it, or delete the claim",
			seen.pool.Spec.SandboxTemplateRef.Name, pool)
	}
	stored := meta.FindStatusCondition(claim.Status.Conditions, v1beta1.ConditionBound)
	if stored != nil && stored.Reason == v1beta1.ReasonWaitingForSandbox {
		return stored.Reason, stored.Message
	}
	return v1beta1.ReasonWaitingForSandbox, fmt.Sprintf("no Sandbox of pool %s is available yet", pool)
}
