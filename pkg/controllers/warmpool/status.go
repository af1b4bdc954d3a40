// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// Reasons of the conditions of a pool. They are stable.
const (
	// Of Progressing, False: the pool does not move by itself.
	reasonTemplateNotFound = "TemplateNotFound"
	reasonFailedCreate     = "FailedCreate"     // the API server refuses Sandboxes
	reasonSandboxesFail    = "SandboxesFail"    // they end or do not start, and so do their successors
	reasonSandboxesBlocked = "SandboxesBlocked" // they have no node, or no Pod
	// Of Progressing, True.
	reasonShrinking  = "Shrinking"
	reasonRollingOut = "RollingOut"
	reasonFilling    = "Filling"
	reasonComplete   = "Complete"
	// Of Available.
	reasonReplicasReady    = "ReplicasReady"
	reasonReplicasNotReady = "ReplicasNotReady"
	// Of Withheld.
	reasonLossConfirmed = "LossConfirmed"
	reasonNoneWithheld  = "NoneWithheld"
)

// EventRecorder is the part of k8s.io/client-go/tools/events that is used here.
// Its scheme must know v1beta1.
type EventRecorder interface {
	Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any)
}

// outcome is all that the status is made of.
type outcome struct {
	pool *v1beta1.SandboxWarmPool
	seen observed
	plan plan
	// problem is why creates are refused; empty if they are not.
	problem string
}

// statusOf is the status that the pool should have now. What does not change keeps
// its lastTransitionTime, so an unchanged state gives an equal status.
func statusOf(o outcome, now time.Time) v1beta1.SandboxWarmPoolStatus {
	status := *o.pool.Status.DeepCopy()
	status.Replicas = int32(len(o.seen.members))
	status.ReadyReplicas = int32(count(o.seen.members, isReady))
	status.StaleReplicas = int32(count(o.seen.members, func(m member) bool { return m.stale }))
	status.Selector = labels.Set{v1beta1.WarmPoolLabel: o.pool.Name}.String() + ",!" + v1beta1.ClaimLabel
	status.ObservedGeneration = o.pool.Generation
	conditions := []metav1.Condition{o.progressing(), o.available()}
	if o.seen.withheld > 0 || meta.FindStatusCondition(status.Conditions, v1beta1.ConditionWithheld) != nil {
		conditions = append(conditions, o.withheld())
	}
	for _, condition := range conditions {
		condition.Message = clip(condition.Message)
		condition.ObservedGeneration = o.pool.Generation
		condition.LastTransitionTime = metav1.NewTime(now)
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	return status
}

// progressing is False only when the pool is not what it should be and time will not
// cure it: somebody has to look.
func (o outcome) progressing() metav1.Condition {
	condition := func(status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: v1beta1.ConditionProgressing, Status: status, Reason: reason, Message: message}
	}
	members, missing := o.seen.members, o.plan.create
	switch {
	case o.seen.template == nil:
		return condition(metav1.ConditionFalse, reasonTemplateNotFound, fmt.Sprintf(
			"SandboxTemplate %q does not exist: no Sandbox can be made, those that exist stay", o.pool.Spec.SandboxTemplateRef.Name))
	case o.problem != "" && missing > 0:
		return condition(metav1.ConditionFalse, reasonFailedCreate, o.problem)
	case o.plan.held > 0:
		return condition(metav1.ConditionFalse, reasonSandboxesFail, explain(members)+"; they are replaced a few at a time")
	case count(members, isUnplaced) > 0:
		return condition(metav1.ConditionFalse, reasonSandboxesBlocked, explain(members))
	case len(members)+o.seen.sure > o.seen.replicas:
		return condition(metav1.ConditionTrue, reasonShrinking, "there are more Sandboxes than are asked for")
	case o.seen.strategy.Type != v1beta1.OnReplenishStrategy && count(members, isStaleMember) > 0:
		return condition(metav1.ConditionTrue, reasonRollingOut, "Sandboxes of an earlier template are being replaced")
	case o.seen.early && o.usable() < o.seen.replicas:
		return condition(metav1.ConditionTrue, reasonFilling, "no Sandbox is made before the clock of the leader is past the moment at which the loss of etcd was confirmed")
	case missing > 0 || o.usable() < o.seen.replicas:
		return condition(metav1.ConditionTrue, reasonFilling, "Sandboxes are being made or are starting")
	default:
		return condition(metav1.ConditionTrue, reasonComplete, "the pool is as it should be")
	}
}

func (o outcome) available() metav1.Condition {
	usable := o.usable()
	condition := metav1.Condition{
		Type: v1beta1.ConditionAvailable, Status: metav1.ConditionTrue, Reason: reasonReplicasReady,
		Message: fmt.Sprintf("%d of %d Sandboxes are Ready", min(usable, o.seen.replicas), o.seen.replicas),
	}
	if usable < o.seen.replicas {
		condition.Status, condition.Reason = metav1.ConditionFalse, reasonReplicasNotReady
		if why := explain(o.seen.members); why != "" {
			condition.Message += "; " + why
		}
	}
	return condition
}

// withheld says how many Sandboxes the pool neither offers nor deletes. It is there once
// there were any: who waits for their end sees it.
func (o outcome) withheld() metav1.Condition {
	if o.seen.withheld == 0 {
		return metav1.Condition{
			Type: v1beta1.ConditionWithheld, Status: metav1.ConditionFalse, Reason: reasonNoneWithheld,
			Message: "all Sandboxes of before the loss of etcd have gone",
		}
	}
	return metav1.Condition{
		Type: v1beta1.ConditionWithheld, Status: metav1.ConditionTrue, Reason: reasonLossConfirmed,
		Message: fmt.Sprintf("%d Sandboxes are of before the loss of etcd that was confirmed, and claims that are lost may use them: "+
			"they are not offered, not counted and not deleted. Look who uses them and delete the others; a Pod that was claimed has the label %s",
			o.seen.withheld, v1beta1.ClaimLabel),
	}
}

// usable counts what a claim may draw. A stale member is about to go when all of them
// go at once.
func (o outcome) usable() int {
	recreate := o.seen.strategy.Type == v1beta1.RecreateStrategy
	return count(o.seen.members, func(m member) bool { return m.ready && (!m.stale || !recreate) })
}

func isUnplaced(m member) bool    { return m.health == unplaced }
func isStaleMember(m member) bool { return m.stale }

// urgent says whether a new status must not wait for what else may change.
func urgent(before, after v1beta1.SandboxWarmPoolStatus) bool {
	return before.ObservedGeneration != after.ObservedGeneration ||
		meta.IsStatusConditionTrue(before.Conditions, v1beta1.ConditionProgressing) !=
			meta.IsStatusConditionTrue(after.Conditions, v1beta1.ConditionProgressing)
}

// troubles are what somebody should hear about who does not look at the status: a pool has
// got stuck, or for another reason than before, or has begun to withhold Sandboxes. Empty if
// there is nothing new.
func troubles(before, after v1beta1.SandboxWarmPoolStatus) []metav1.Condition {
	var news []metav1.Condition
	was := meta.FindStatusCondition(before.Conditions, v1beta1.ConditionProgressing)
	is := meta.FindStatusCondition(after.Conditions, v1beta1.ConditionProgressing)
	if is != nil && is.Status == metav1.ConditionFalse &&
		(was == nil || was.Reason != is.Reason || is.Reason == reasonFailedCreate && was.Message != is.Message) {
		news = append(news, *is)
	}
	withholds := meta.FindStatusCondition(after.Conditions, v1beta1.ConditionWithheld)
	if withholds != nil && withholds.Status == metav1.ConditionTrue && !meta.IsStatusConditionTrue(before.Conditions, v1beta1.ConditionWithheld) {
		news = append(news, *withholds)
	}
	return news
}
