// SPDX-License-Identifier: Apache-2.0

package claim

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

// event is one Event of a claim.
type event struct {
	kind, reason, action, note string
}

func (c *Controller) record(claim *v1beta1.SandboxClaim, e event) {
	c.Events.Eventf(claim, nil, e.kind, e.reason, e.action, "%s", e.note)
}

// transitions are the Events of a change of status. A claim that was stored Ready
// has none: its creation said it all.
func transitions(before, after []metav1.Condition) []event {
	var events []event
	if !meta.IsStatusConditionTrue(before, v1beta1.ConditionReady) && meta.IsStatusConditionTrue(after, v1beta1.ConditionReady) {
		events = append(events, event{corev1.EventTypeNormal, "Ready", "Start", "the Sandbox is Ready"})
	}
	if reasonOf(before, v1beta1.ConditionReady) != v1beta1.ReasonClaimExpired && reasonOf(after, v1beta1.ConditionReady) == v1beta1.ReasonClaimExpired {
		events = append(events, expiredEvent(expiredMessage))
	}
	isBound := meta.FindStatusCondition(after, v1beta1.ConditionBound)
	if isBound == nil || isBound.Reason == reasonOf(before, v1beta1.ConditionBound) {
		return events
	}
	switch isBound.Reason {
	case v1beta1.ReasonSandboxLost, v1beta1.ReasonPoolNotFound, reasonTemplateNotFound:
		events = append(events, event{corev1.EventTypeWarning, isBound.Reason, "Bind", isBound.Message})
	}
	return events
}

func expiredEvent(note string) event {
	return event{corev1.EventTypeNormal, "Expired", "Expire", note}
}

func reasonOf(conditions []metav1.Condition, kind string) string {
	if condition := meta.FindStatusCondition(conditions, kind); condition != nil {
		return condition.Reason
	}
	return ""
}
