// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// EventRecorder is the part of k8s.io/client-go/tools/events that is used here.
// Its scheme must know v1beta1.
type EventRecorder interface {
	Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any)
}

// reasonCreated is that of the Event for a Pod that was made.
const reasonCreated = "SuccessfulCreate"

// event is one Event of a Sandbox.
type event struct {
	kind, reason, action, note string
}

// record reports an Event. That a step of a pool's or a claim's Sandbox went as it
// should is not one: nobody watches it alone, and the write would be the third of
// two that a claim may cost the cluster.
func (c *Controller) record(sandbox *v1beta1.Sandbox, related runtime.Object, e event) {
	if e.reason == reasonCreated && metav1.GetControllerOf(sandbox) != nil {
		return
	}
	c.Events.Eventf(sandbox, related, e.kind, e.reason, e.action, "%s", clip(e.note))
}

// transitions are the Events of a change of status.
func transitions(before, after []metav1.Condition) []event {
	var events []event
	was, is := func(kind string) bool { return meta.IsStatusConditionTrue(before, kind) },
		func(kind string) bool { return meta.IsStatusConditionTrue(after, kind) }
	if !was(v1beta1.ConditionSuspended) && is(v1beta1.ConditionSuspended) {
		events = append(events, event{corev1.EventTypeNormal, "Suspended", "Suspend", "the Pod has gone, disks and Services stay"})
	}
	if resumed := meta.FindStatusCondition(after, v1beta1.ConditionSuspended); was(v1beta1.ConditionSuspended) &&
		resumed != nil && resumed.Reason == v1beta1.ReasonNotSuspended {
		events = append(events, event{corev1.EventTypeNormal, "Resumed", "Resume", "the Sandbox is to run again"})
	}
	if finished := meta.FindStatusCondition(after, v1beta1.ConditionFinished); !was(v1beta1.ConditionFinished) && is(v1beta1.ConditionFinished) {
		kind := corev1.EventTypeNormal
		if finished.Reason == v1beta1.ReasonPodFailed {
			kind = corev1.EventTypeWarning
		}
		events = append(events, event{kind, "Finished", "Finish", finished.Reason + ": " + finished.Message})
	}
	ready := meta.FindStatusCondition(after, v1beta1.ConditionReady)
	if ready == nil || ready.Reason == reasonOf(before, v1beta1.ConditionReady) {
		return events
	}
	switch ready.Reason {
	case v1beta1.ReasonSandboxExpired:
		events = append(events, expiredEvent())
	case v1beta1.ReasonNameConflict:
		events = append(events, event{corev1.EventTypeWarning, v1beta1.ReasonNameConflict, "Reconcile", ready.Message})
	}
	return events
}

func expiredEvent() event {
	return event{corev1.EventTypeNormal, "Expired", "Expire", "shutdownTime has passed"}
}

func reasonOf(conditions []metav1.Condition, kind string) string {
	if condition := meta.FindStatusCondition(conditions, kind); condition != nil {
		return condition.Reason
	}
	return ""
}
