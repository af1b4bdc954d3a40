// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// available says whether a Sandbox of a pool can be claimed as it is. It is
// what the index found from the watch, asked again of what is stored.
func available(sbx *sandbox.Sandbox) bool {
	owner := metav1.GetControllerOf(sbx)
	ready := meta.FindStatusCondition(sbx.Status.Conditions, v1beta1.ConditionReady)
	return sbx.DeletionTimestamp == nil && sbx.Spec.ClaimRef == nil &&
		owner != nil && owner.Kind == "SandboxWarmPool" &&
		sbx.Spec.OperatingMode == sandbox.SandboxRunning &&
		ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == sbx.Generation &&
		!meta.IsStatusConditionTrue(sbx.Status.Conditions, v1beta1.ConditionFinished) &&
		len(sbx.Status.PodIPs) > 0
}

// sameAnswer says whether two versions of an available Sandbox are of the same
// pool and give a claim the same status.
func sameAnswer(a, b *sandbox.Sandbox) bool {
	return a.UID == b.UID && metav1.GetControllerOf(a).UID == metav1.GetControllerOf(b).UID && slices.Equal(a.Status.PodIPs, b.Status.PodIPs) &&
		a.Status.ServiceFQDN == b.Status.ServiceFQDN && a.Status.NodeName == b.Status.NodeName
}

// warmStatus is the status of a claim that holds a Sandbox of the pool. Ready
// says what the Sandbox says, so that following it later changes nothing.
func warmStatus(generation int64, sbx *sandbox.Sandbox, now time.Time) sandbox.SandboxClaimStatus {
	ready := metav1.Condition{Type: v1beta1.ConditionReady}
	if condition := meta.FindStatusCondition(sbx.Status.Conditions, v1beta1.ConditionReady); condition != nil {
		ready.Status, ready.Reason, ready.Message = condition.Status, condition.Reason, condition.Message
	}
	return status(generation, now, bound(), ready, &sandbox.ClaimedSandbox{
		Name: sbx.Name, PodIPs: slices.Clone(sbx.Status.PodIPs), ServiceFQDN: sbx.Status.ServiceFQDN,
		NodeName: sbx.Status.NodeName, LaunchType: sandbox.LaunchWarm,
	})
}

// coldStatus is the status of a claim whose Sandbox is made with it.
func coldStatus(generation int64, name, fqdn string, now time.Time) sandbox.SandboxClaimStatus {
	return status(generation, now, bound(), metav1.Condition{
		Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse,
		Reason: v1beta1.ReasonSandboxStarting, Message: "the Sandbox was made for this claim and is starting",
	}, &sandbox.ClaimedSandbox{Name: name, ServiceFQDN: fqdn, LaunchType: sandbox.LaunchCold})
}

// waitingStatus is the status of a claim that has no Sandbox yet.
func waitingStatus(generation int64, pool string, now time.Time) sandbox.SandboxClaimStatus {
	condition := metav1.Condition{
		Type: v1beta1.ConditionBound, Status: metav1.ConditionFalse,
		Reason: v1beta1.ReasonWaitingForSandbox, Message: "no Sandbox of pool " + pool + " is available yet",
	}
	ready := condition
	ready.Type = v1beta1.ConditionReady
	return status(generation, now, condition, ready, nil)
}

func bound() metav1.Condition {
	return metav1.Condition{Type: v1beta1.ConditionBound, Status: metav1.ConditionTrue, Reason: v1beta1.ReasonSandboxBound}
}

func status(generation int64, now time.Time, bound, ready metav1.Condition, held *sandbox.ClaimedSandbox) sandbox.SandboxClaimStatus {
	conditions := []metav1.Condition{bound, ready}
	for i := range conditions {
		conditions[i].ObservedGeneration = generation
		conditions[i].LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
	}
	return sandbox.SandboxClaimStatus{Conditions: conditions, Sandbox: held}
}
