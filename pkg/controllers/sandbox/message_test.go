// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func pendingDisk(d *corev1.PersistentVolumeClaim) { d.Status.Phase = corev1.ClaimPending }

func waitingFor(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{
			{Name: "main", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}},
		}
	}
}

func withReason(reason string) func(*corev1.Pod) {
	return podCond(corev1.PodReady, corev1.ConditionFalse, "ContainersNotReady", reason)
}

// The message says what is missing.
func TestReadyMessages(t *testing.T) {
	unready := withReason("containers with unready status: [main]")
	tests := map[string]struct {
		sandbox *v1beta1.Sandbox
		seen    observed
		want    string
	}{
		"no Pod":                 {newSandbox(), see(), "the Pod has yet to be made"},
		"terminating":            {newSandbox(), see(newPod(up, terminating)), "the Pod is being deleted"},
		"evicted":                {newSandbox(), see(newPod(inPhase(corev1.PodFailed), because("Evicted"))), "the Pod was lost and is being replaced: Evicted: said the kubelet"},
		"disrupted":              {newSandbox(), see(newPod(inPhase(corev1.PodFailed), podCond(corev1.DisruptionTarget, corev1.ConditionTrue, "PreemptionByScheduler", "more important"))), "the Pod was lost and is being replaced: PreemptionByScheduler: more important"},
		"lost without a word":    {newSandbox(), see(newPod(inPhase(corev1.PodFailed))), "the Pod was lost and is being replaced: nothing says why"},
		"node gone":              {newSandbox(), see(newPod(up), noNode), `node "node-1" is gone`},
		"node not ready":         {newSandbox(), see(newPod(up), newNode(corev1.ConditionUnknown)), `node "node-1" is not ready`},
		"not yet scheduled":      {newSandbox(), see(newPod(unscheduled)), "the Pod is waiting to be scheduled"},
		"unschedulable":          {newSandbox(), see(newPod(unscheduled, podCond(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "0/3 nodes are available"))), "the Pod cannot be scheduled: Unschedulable: 0/3 nodes are available"},
		"pending disks":          {newSandbox(withDisks("a", "b")), see(newPod(unscheduled), newDisk("b", pendingDisk), newDisk("a", pendingDisk)), "the Pod is waiting to be scheduled; pending PersistentVolumeClaims: a-dev, b-dev"},
		"image pull":             {newSandbox(), see(newPod(unready, waitingFor("ImagePullBackOff", `Back-off pulling image "shell"`))), `container "main": ImagePullBackOff: Back-off pulling image "shell"`},
		"crash loop":             {newSandbox(), see(newPod(unready, waitingFor("CrashLoopBackOff", ""))), `container "main": CrashLoopBackOff`},
		"container on its way":   {newSandbox(), see(newPod(unready, waitingFor("ContainerCreating", ""))), "the Pod is not Ready: containers with unready status: [main]"},
		"container not ready":    {newSandbox(), see(newPod(unready)), "the Pod is not Ready: containers with unready status: [main]"},
		"nothing reported yet":   {newSandbox(), see(newPod()), "the Pod is not Ready yet"},
		"no address":             {newSandbox(), see(newPod(up, func(p *corev1.Pod) { p.Status.PodIPs = nil })), "the Pod has no address yet"},
		"no own Service":         {newSandbox(withService), see(newPod(up)), `Service "dev" does not exist yet`},
		"own Service on its way": {newSandbox(withService), see(newPod(up), ownService(terminatingService)), `Service "dev" does not exist yet`},
		"up":                     {newSandbox(withService), see(newPod(up), ownService()), "the Pod is Ready and has an address"},
		"disk in the way":        {newSandbox(withDisks("data")), see(newDisk("data", terminatingDisk)), `PersistentVolumeClaim "data-dev" is being deleted`},
		"conflict":               {newSandbox(), see(newPod(stranger)), `Pod "dev" exists and does not belong to this Sandbox: it is left alone; delete it, or use another name`},
		"succeeded":              {newSandbox(), see(newPod(never, inPhase(corev1.PodSucceeded), exited(0))), `container "main" exited with code 0 (Completed)`},
		"failed":                 {newSandbox(), see(newPod(never, inPhase(corev1.PodFailed), exited(0), exited(3))), `container "main" exited with code 3 (Error)`},
		"deadline":               {newSandbox(), see(newPod(inPhase(corev1.PodFailed), because("DeadlineExceeded"))), "DeadlineExceeded: said the kubelet"},
		"finished, Pod deleted":  {newSandbox(withFinished(v1beta1.ReasonPodFailed)), see(), "as before"},
		"deleted":                {newSandbox(withDeletion), see(newPod(up)), "the Sandbox is being deleted"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status := observe(test.sandbox, test.seen)
			assert.Equal(t, test.want, meta.FindStatusCondition(status.Conditions, v1beta1.ConditionReady).Message)
		})
	}
}

func TestErrorMessages(t *testing.T) {
	broken := func(port string) error {
		return &url.Error{Op: "Get", URL: "https://10.0.0.1", Err: &net.OpError{Op: "read", Err: errors.New("127.0.0.1:" + port + " reset")}}
	}
	assert.Equal(t, errorMessage(fmt.Errorf("reading: %w", broken("4001"))), errorMessage(fmt.Errorf("reading: %w", broken("4002"))),
		"what differs at each try would be a write at each try")

	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "dev", errors.New("exceeded quota: small"))
	assert.Equal(t, `creating Pod "dev": pods "dev" is forbidden: exceeded quota: small`, errorMessage(fmt.Errorf("creating Pod %q: %w", "dev", forbidden)))
}

func TestLongMessagesAreClipped(t *testing.T) {
	assert.Equal(t, "short", clip("short"))
	for _, filler := range []string{"x", "é", "日"} {
		clipped := clip(strings.Repeat(filler, 2*maxMessage))
		assert.LessOrEqual(t, len(clipped), maxMessage)
		assert.Greater(t, len(clipped), maxMessage-8)
		assert.True(t, utf8.ValidString(clipped))
		assert.True(t, strings.HasSuffix(clipped, "…"))
	}
}
