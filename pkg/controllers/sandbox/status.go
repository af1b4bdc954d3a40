// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// outcome is all that the status is made of.
type outcome struct {
	sandbox *v1beta1.Sandbox
	seen    observed
	plan    plan
	// err is what kept the plan from being made or carried out.
	err           error
	clusterDomain string
}

// statusOf is the status that the Sandbox should have now. What does not change
// keeps its lastTransitionTime, so an unchanged state gives an equal status.
func statusOf(o outcome, now time.Time) v1beta1.SandboxStatus {
	status := *o.sandbox.Status.DeepCopy()
	status.ServiceFQDN = render.FQDN(o.sandbox, o.clusterDomain)
	status.Service = render.ServiceName(o.sandbox)
	status.Selector = labels.Set{v1beta1.SandboxNameLabel: o.sandbox.Name}.String()

	wanted := []metav1.Condition{o.ready()}
	if condition := o.suspended(); condition != nil {
		wanted = append(wanted, *condition)
	}
	if condition := o.finished(); condition != nil {
		wanted = append(wanted, *condition)
	}
	if o.plan.state == unknown {
		setConditions(&status.Conditions, wanted, o.sandbox.Generation, now)
		return status
	}
	pod := ownedPod(o.sandbox, o.seen)
	setPod(&status, pod)
	if condition := scheduled(pod); condition != nil {
		wanted = append(wanted, *condition)
	}
	for _, kind := range []string{v1beta1.ConditionSuspended, v1beta1.ConditionPodScheduled} {
		if meta.FindStatusCondition(wanted, kind) == nil {
			meta.RemoveStatusCondition(&status.Conditions, kind)
		}
	}
	setConditions(&status.Conditions, wanted, o.sandbox.Generation, now)
	return status
}

// setConditions adds what every condition has. What is not wanted is not touched:
// a Finished that is True stays for ever.
func setConditions(conditions *[]metav1.Condition, wanted []metav1.Condition, generation int64, now time.Time) {
	for _, condition := range wanted {
		condition.ObservedGeneration = generation
		condition.LastTransitionTime = metav1.NewTime(now)
		meta.SetStatusCondition(conditions, condition)
	}
}

func setPod(status *v1beta1.SandboxStatus, pod *corev1.Pod) {
	status.PodName, status.NodeName, status.PodIPs = "", "", nil
	if pod == nil {
		return
	}
	status.PodName = pod.Name
	status.NodeName = pod.Spec.NodeName
	status.PodIPs = podIPs(pod)
}

func podIPs(pod *corev1.Pod) []string {
	var ips []string
	for _, ip := range pod.Status.PodIPs {
		ips = append(ips, ip.IP)
	}
	if len(ips) == 0 && pod.Status.PodIP != "" {
		ips = []string{pod.Status.PodIP}
	}
	return ips
}

// ready is the column Ready of the table of conditions. An error explains why a
// Sandbox is not Ready; it does not make one not Ready whose Pod serves.
func (o outcome) ready() metav1.Condition {
	condition := o.readyByState()
	if o.err != nil && condition.Status != metav1.ConditionTrue && o.plan.state != finished {
		condition.Reason, condition.Message = v1beta1.ReasonReconcilerError, errorMessage(o.err)
	}
	return condition
}

func (o outcome) readyByState() metav1.Condition {
	notReady := func(reason, message string) metav1.Condition {
		return metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: clip(message)}
	}
	switch o.plan.state {
	case suspending:
		return notReady(v1beta1.ReasonSandboxSuspended, "the Pod is being deleted")
	case suspended:
		return notReady(v1beta1.ReasonSandboxSuspended, "the Sandbox is suspended")
	case finished:
		return notReady(string(o.plan.ending), o.finished().Message)
	case expired:
		return notReady(v1beta1.ReasonSandboxExpired, "shutdownTime has passed")
	case conflict:
		return notReady(v1beta1.ReasonNameConflict, o.plan.detail)
	case deleting:
		return notReady(v1beta1.ReasonDependenciesNotReady, "the Sandbox is being deleted")
	case unknown:
		return notReady(v1beta1.ReasonReconcilerError, "")
	}
	if message := o.missing(); message != "" {
		return notReady(v1beta1.ReasonDependenciesNotReady, message)
	}
	return metav1.Condition{
		Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue,
		Reason: v1beta1.ReasonDependenciesReady, Message: "the Pod is Ready and has an address",
	}
}

// suspended is the column Suspended; nil where the table has a dash. A Sandbox
// that is being deleted is as suspended as it was.
func (o outcome) suspended() *metav1.Condition {
	condition := metav1.Condition{Type: v1beta1.ConditionSuspended, Status: metav1.ConditionFalse}
	switch o.plan.state {
	case finished, expired:
		return nil
	case suspended:
		condition.Status, condition.Reason = metav1.ConditionTrue, v1beta1.ReasonPodTerminated
	case suspending:
		condition.Reason = v1beta1.ReasonPodTerminating
	case conflict:
		condition.Reason = v1beta1.ReasonPodNotOwned
	case deleting:
		return meta.FindStatusCondition(o.sandbox.Status.Conditions, v1beta1.ConditionSuspended)
	case unknown:
		condition.Status, condition.Reason = metav1.ConditionUnknown, v1beta1.ReasonPodStateUnknown
	default:
		condition.Reason = v1beta1.ReasonNotSuspended
	}
	return &condition
}

// finished is nil unless the Sandbox is. The message of the Pod outlives the Pod.
func (o outcome) finished() *metav1.Condition {
	if o.plan.state != finished {
		return nil
	}
	message := ""
	if recorded := meta.FindStatusCondition(o.sandbox.Status.Conditions, v1beta1.ConditionFinished); recorded != nil {
		message = recorded.Message
	} else if pod := ownedPod(o.sandbox, o.seen); pod != nil {
		message = endMessage(pod)
	}
	return &metav1.Condition{
		Type: v1beta1.ConditionFinished, Status: metav1.ConditionTrue,
		Reason: string(o.plan.ending), Message: clip(message),
	}
}

// scheduled mirrors what the Pod reports. A Pod may leave the reason empty, a
// condition of ours must not.
func scheduled(pod *corev1.Pod) *metav1.Condition {
	if pod == nil {
		return nil
	}
	reported := podCondition(pod, corev1.PodScheduled)
	if reported == nil {
		return nil
	}
	reason := reported.Reason
	if reason == "" {
		reason = v1beta1.ConditionPodScheduled
	}
	return &metav1.Condition{
		Type: v1beta1.ConditionPodScheduled, Status: metav1.ConditionStatus(reported.Status),
		Reason: reason, Message: clip(reported.Message),
	}
}
