// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestFinished: what ended by itself stays ended, and its Pod stays for its logs.
func TestFinished(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	for name, tc := range map[string]struct {
		exitCode int32
		reason   string
	}{
		"succeeded": {0, v1beta1.ReasonPodSucceeded},
		"failed":    {3, v1beta1.ReasonPodFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := ns.For(t)
			ns.Create(harness.Sandbox(name, harness.RunningOnce))
			ns.WaitReady(name)
			pod := ns.EndPod(name, tc.exitCode)
			finished := ns.WaitConditions(name, "Finished=True/"+tc.reason, "Ready=False/"+tc.reason, "Suspended=")
			ns.Eventually("there is an Event", func() error { return eventOf(ns, name, "Finished", tc.reason) })
			ns.Always("it stays finished and keeps its Pod", 3*time.Second, func() error {
				if current := ns.Pod(name); current.UID != pod.UID || current.DeletionTimestamp != nil {
					return fmt.Errorf("the Pod is %s, deleted %v", current.UID, current.DeletionTimestamp)
				}
				return harness.HasConditions(ns.Get(name), "Finished=True/"+tc.reason)
			})

			require.NoError(t, ns.Pods().Delete(t.Context(), name, metav1.DeleteOptions{}))
			ns.WaitFor(name, "knows that its Pod has gone", func(s *v1beta1.Sandbox) error {
				if s.Status.PodName != "" {
					return fmt.Errorf("podName is %q", s.Status.PodName)
				}
				return nil
			})
			ns.Always("no Pod is made again", 2*time.Second, func() error { return harness.Gone(ns.GetPod(name)(t.Context())) })
			gone := ns.Get(name)
			assert.NoError(t, harness.HasConditions(gone, "Finished=True/"+tc.reason, "Ready=False/"+tc.reason))
			assert.Equal(t, condition(finished, v1beta1.ConditionFinished).LastTransitionTime, condition(gone, v1beta1.ConditionFinished).LastTransitionTime)
			ns.MustKubectl("", "wait", "--for=condition=Finished", "sandbox/"+name, "--timeout=10s")
		})
	}
}

func condition(sandbox *v1beta1.Sandbox, kind string) metav1.Condition {
	for _, condition := range sandbox.Status.Conditions {
		if condition.Type == kind {
			return condition
		}
	}
	return metav1.Condition{}
}

func expiringIn(d time.Duration) func(*v1beta1.Sandbox) {
	return func(s *v1beta1.Sandbox) { s.Spec.ShutdownTime = ptr.To(metav1.NewTime(time.Now().Add(d))) }
}

// TestExpiryWithRetain: Pod and own Service go at that time, object and disk stay.
func TestExpiryWithRetain(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	// Stored in whole seconds.
	created := ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), harness.WithService, expiringIn(8*time.Second)))
	ns.WaitReady("dev")
	disk := ns.Disk("data-dev").UID
	ns.WaitConditions("dev", "Ready=False/SandboxExpired", "Suspended=", "Finished=")
	assert.False(t, time.Now().Before(created.Spec.ShutdownTime.Time), "it expired too early")
	ns.WaitGone("the Pod", ns.GetPod("dev"))
	ns.WaitGone("the Service", ns.GetService("dev"))
	assert.Equal(t, disk, ns.Disk("data-dev").UID)
	assert.NotEmpty(t, ns.Service(v1beta1.SharedServiceName).UID)
	ns.Eventually("there is an Event", func() error { return eventOf(ns, "dev", "Expired", "") })
	ns.WaitFor("dev", "has no Pod in its status", func(s *v1beta1.Sandbox) error {
		if s.Status.PodName != "" || len(s.Status.PodIPs) > 0 {
			return fmt.Errorf("%+v", s.Status)
		}
		return nil
	})

	// More time brings it back.
	patch := fmt.Sprintf(`{"spec":{"shutdownTime":%q}}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	_, err := ns.Sandboxes().Patch(t.Context(), "dev", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(t, err)
	ns.WaitReady("dev")
	assert.Equal(t, disk, ns.Disk("data-dev").UID)
}

func TestExpiryWithDelete(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), expiringIn(6*time.Second), func(s *v1beta1.Sandbox) {
		s.Spec.ShutdownPolicy = v1beta1.SandboxShutdownDelete
	}))
	ns.WaitReady("dev")
	ns.WaitGone("the Sandbox", ns.GetSandbox("dev"))
	assert.NoError(t, harness.Gone(ns.GetPod("dev")(t.Context())))
	ns.WaitGone("the disk", ns.GetDisk("data-dev"))
}

// TestExpiryOfTheSuspended: a Sandbox expires in whatever mode it is.
func TestExpiryOfTheSuspended(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.Suspended, expiringIn(4*time.Second)))
	ns.WaitConditions("dev", "Ready=False/SandboxExpired")
	assert.NoError(t, harness.Gone(ns.GetPod("dev")(t.Context())))
}
