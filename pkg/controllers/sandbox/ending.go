// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// ending says whether and how a Pod came to its end.
type ending string

const (
	// alive: the Pod has not ended.
	alive ending = ""
	// lost: something took the Pod away from the Sandbox. It is replaced.
	lost ending = "lost"
	// The containers ended by themselves. The Sandbox is finished; the values are
	// the reasons of its conditions.
	succeeded ending = v1beta1.ReasonPodSucceeded
	failed    ending = v1beta1.ReasonPodFailed
)

const reasonDeadlineExceeded = "DeadlineExceeded"

// endingOf looks at phase and status only. A Pod with a deletionTimestamp is not
// judged by its ending: its containers stop because of the deletion.
//
// What the kubelet writes is in its getPhase, rejectPod and in its eviction,
// preemption and node shutdown managers. They mean to leave the phase Failed, but
// where every container ends well when it is told to, a kubelet reports Succeeded,
// without a reason.
func endingOf(pod *corev1.Pod) ending {
	switch pod.Status.Phase {
	case corev1.PodSucceeded:
		if disrupted(pod) || restartsAlways(&pod.Spec) {
			return lost
		}
		return succeeded
	case corev1.PodFailed:
	default:
		return alive
	}
	switch {
	case pod.Status.Reason == reasonDeadlineExceeded:
		return failed
	case disrupted(pod), rejected(pod), restartsAlways(&pod.Spec), unseen(pod):
		return lost
	default:
		return failed
	}
}

// disrupted: evicted, preempted, or on a node that shut down or was lost.
func disrupted(pod *corev1.Pod) bool {
	switch pod.Status.Reason {
	case "Evicted", "Preempting", "NodeLost", "NodeShutdown", "Shutdown", "Terminated":
		return true
	}
	condition := podCondition(pod, corev1.DisruptionTarget)
	return condition != nil && condition.Status == corev1.ConditionTrue
}

// rejected: a kubelet did not admit the Pod (OutOfcpu, NodeAffinity,
// UnexpectedAdmissionError and others, extensible by plugins, so that no list of
// reasons is complete), at first or when it started again. Else some container
// would have ended.
func rejected(pod *corev1.Pod) bool {
	return strings.HasPrefix(pod.Status.Message, "Pod was rejected") || len(ended(pod)) == 0
}

// restartsAlways: containers that are always restarted cannot end a Pod, so
// something else did. A container may have a policy of its own.
func restartsAlways(spec *corev1.PodSpec) bool {
	if spec.RestartPolicy != corev1.RestartPolicyAlways && spec.RestartPolicy != "" {
		return false
	}
	return !slices.ContainsFunc(slices.Concat(spec.InitContainers, spec.Containers), func(c corev1.Container) bool {
		return c.RestartPolicy != nil && (*c.RestartPolicy != corev1.ContainerRestartPolicyAlways || len(c.RestartPolicyRules) > 0)
	})
}

// unseen: the kubelet could not find out how the failed containers ended, as
// after a reboot that lost them, and saw none fail.
func unseen(pod *corev1.Pod) bool {
	failures := slices.DeleteFunc(ended(pod), func(c corev1.ContainerStatus) bool { return lastEnd(&c).ExitCode == 0 })
	known := slices.ContainsFunc(failures, func(c corev1.ContainerStatus) bool {
		return lastEnd(&c).Reason != "ContainerStatusUnknown"
	})
	return len(failures) > 0 && !known
}

// ended are the containers that have ended at least once, init containers first.
func ended(pod *corev1.Pod) []corev1.ContainerStatus {
	statuses := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	return slices.DeleteFunc(statuses, func(c corev1.ContainerStatus) bool { return lastEnd(&c) == nil })
}

func lastEnd(status *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if status.State.Terminated != nil {
		return status.State.Terminated
	}
	return status.LastTerminationState.Terminated
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}
