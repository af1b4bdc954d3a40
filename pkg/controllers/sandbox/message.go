// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
)

// maxMessage is the longest text of a condition or an Event, in bytes; the Events API takes no more.
const maxMessage = 1024

// missing says what keeps a Sandbox that should run from being Ready; empty if
// nothing does. The texts change only with the state, or every change would be a
// write.
func (o outcome) missing() string {
	pod := o.seen.pod
	switch {
	case o.plan.detail != "":
		return o.plan.detail
	case pod == nil:
		return "the Pod has yet to be made"
	case pod.DeletionTimestamp != nil:
		return "the Pod is being deleted"
	case endingOf(pod) == lost:
		return "the Pod was lost and is being replaced: " + lostMessage(pod)
	}
	for _, message := range []string{
		missingNode(o.seen), missingSchedule(pod, o.seen), missingContainer(pod), missingReadiness(pod), o.missingService(),
	} {
		if message != "" {
			return message
		}
	}
	return ""
}

func missingNode(seen observed) string {
	switch {
	case seen.pod.Spec.NodeName == "":
		return ""
	case seen.node == nil:
		return fmt.Sprintf("node %q is gone", seen.pod.Spec.NodeName)
	case !nodeReady(seen.node):
		return fmt.Sprintf("node %q is not ready", seen.node.Name)
	default:
		return ""
	}
}

func nodeReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// missingSchedule adds the disks that have no volume yet: often that is the cause.
func missingSchedule(pod *corev1.Pod, seen observed) string {
	if pod.Spec.NodeName != "" {
		return ""
	}
	message := "the Pod is waiting to be scheduled"
	if condition := podCondition(pod, corev1.PodScheduled); condition != nil && condition.Status == corev1.ConditionFalse {
		message = fmt.Sprintf("the Pod cannot be scheduled: %s: %s", condition.Reason, condition.Message)
	}
	var pending []string
	for name, disk := range seen.disks {
		if disk.Status.Phase == corev1.ClaimPending {
			pending = append(pending, name)
		}
	}
	if len(pending) > 0 {
		slices.Sort(pending)
		message += "; pending PersistentVolumeClaims: " + strings.Join(pending, ", ")
	}
	return message
}

// missingContainer names the first container that is stuck, not one that is on its way.
func missingContainer(pod *corev1.Pod) string {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		waiting := status.State.Waiting
		if waiting == nil || waiting.Reason == "" || waiting.Reason == "ContainerCreating" || waiting.Reason == "PodInitializing" {
			continue
		}
		return strings.TrimSuffix(fmt.Sprintf("container %q: %s: %s", status.Name, waiting.Reason, waiting.Message), ": ")
	}
	return ""
}

func missingReadiness(pod *corev1.Pod) string {
	condition := podCondition(pod, corev1.PodReady)
	switch {
	case condition == nil || condition.Status != corev1.ConditionTrue && condition.Message == "":
		return "the Pod is not Ready yet"
	case condition.Status != corev1.ConditionTrue:
		return "the Pod is not Ready: " + condition.Message
	case len(podIPs(pod)) == 0:
		return "the Pod has no address yet"
	default:
		return ""
	}
}

func (o outcome) missingService() string {
	own := o.seen.own
	if !ptr.Deref(o.sandbox.Spec.Service, false) || own != nil && own.DeletionTimestamp == nil {
		return ""
	}
	return fmt.Sprintf("Service %q does not exist yet", o.sandbox.Name)
}

func lostMessage(pod *corev1.Pod) string {
	reason, message := pod.Status.Reason, pod.Status.Message
	if condition := podCondition(pod, corev1.DisruptionTarget); reason == "" && condition != nil {
		reason, message = condition.Reason, condition.Message
	}
	if reason == "" {
		return "nothing says why"
	}
	return strings.TrimSuffix(reason+": "+message, ": ")
}

// endMessage says how the containers of a Pod ended, the failed ones if any did.
func endMessage(pod *corev1.Pod) string {
	if pod.Status.Reason != "" {
		return strings.TrimSuffix(pod.Status.Reason+": "+pod.Status.Message, ": ")
	}
	containers := ended(pod)
	failures := slices.DeleteFunc(slices.Clone(containers), func(c corev1.ContainerStatus) bool { return lastEnd(&c).ExitCode == 0 })
	if len(failures) > 0 {
		containers = failures
	}
	var texts []string
	for _, container := range containers {
		end := lastEnd(&container)
		texts = append(texts, fmt.Sprintf("container %q exited with code %d (%s)", container.Name, end.ExitCode, end.Reason))
	}
	return strings.Join(texts, ", ")
}

// errorMessage is the text of an error without what differs at each try, such as
// the port of a broken connection.
func errorMessage(err error) string {
	var status apierrors.APIStatus
	var network net.Error
	var address *url.Error
	if !errors.As(err, &status) && (errors.As(err, &network) || errors.As(err, &address)) {
		return "the cluster does not answer"
	}
	return clip(err.Error())
}

func clip(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	end := maxMessage - len("…")
	for !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + "…"
}
