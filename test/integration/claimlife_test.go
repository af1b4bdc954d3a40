// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// life is long enough for what a test does meanwhile.
const life = 8 * time.Second

// living claims a Sandbox of a new pool for such a life, which begins when the pool is full.
func living(ns *harness.Space, lifecycle func() v1beta1.SandboxClaimLifecycle) *v1beta1.SandboxClaim {
	ns.T.Helper()
	newPool(ns, 1, func(template *v1beta1.SandboxTemplate) {
		template.Spec.PodTemplate.Spec.RestartPolicy = corev1.RestartPolicyNever
	})
	claim, err := ns.Claims().Create(ns.T.Context(), harness.Claim("mine", "python", coldStart, func(c *v1beta1.SandboxClaim) { c.Spec.Lifecycle = ptr.To(lifecycle()) }), metav1.CreateOptions{})
	require.NoError(ns.T, err)
	require.NotNil(ns.T, claim.Status.Sandbox)
	return claim
}

func getClaim(ns *harness.Space) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := ns.Claims().Get(ctx, "mine", metav1.GetOptions{})
		return err
	}
}

func endingBy(policy v1beta1.SandboxClaimShutdownPolicy) func() v1beta1.SandboxClaimLifecycle {
	return func() v1beta1.SandboxClaimLifecycle {
		return v1beta1.SandboxClaimLifecycle{ShutdownTime: ptr.To(metav1.NewTime(time.Now().Add(life))), ShutdownPolicy: policy}
	}
}

// waitSandboxFirst waits until both are gone, and fails when the claim is gone first.
func waitSandboxFirst(ns *harness.Space, sandbox string) {
	ns.T.Helper()
	var early error
	ns.Eventually("claim and Sandbox are gone", func() error {
		if err := harness.Gone(getClaim(ns)(ns.T.Context())); err != nil {
			return fmt.Errorf("the claim: %w", err)
		}
		if err := harness.Gone(ns.GetSandbox(sandbox)(ns.T.Context())); err != nil {
			early = errors.Join(early, err)
		}
		return nil
	})
	assert.NoError(ns.T, early, "the claim was gone before its Sandbox")
}

func waitClaimExpired(ns *harness.Space) {
	ns.T.Helper()
	ns.Eventually("the claim has expired", func() error {
		claim, err := ns.Claims().Get(ns.T.Context(), "mine", metav1.GetOptions{})
		if err != nil {
			return err
		}
		ready := meta.FindStatusCondition(claim.Status.Conditions, v1beta1.ConditionReady)
		if ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason != v1beta1.ReasonClaimExpired {
			return fmt.Errorf("conditions %+v", claim.Status.Conditions)
		}
		return nil
	})
}

func extend(ns *harness.Space, lifecycle string) {
	ns.T.Helper()
	_, err := ns.Claims().Patch(ns.T.Context(), "mine", types.MergePatchType, []byte(`{"spec":{"lifecycle":`+lifecycle+`}}`), metav1.PatchOptions{})
	require.NoError(ns.T, err)
}

// policies are what is left of a claim that is over, by policy.
var policies = map[v1beta1.SandboxClaimShutdownPolicy]func(ns *harness.Space, sandbox string){
	v1beta1.SandboxClaimShutdownDelete: func(ns *harness.Space, sandbox string) {
		ns.WaitGone("the claim", getClaim(ns))
		ns.WaitGone("its Sandbox", ns.GetSandbox(sandbox))
		ns.WaitGone("its Pod", ns.GetPod(sandbox))
	},
	v1beta1.SandboxClaimShutdownDeleteForeground: func(ns *harness.Space, sandbox string) {
		waitSandboxFirst(ns, sandbox)
		ns.WaitGone("its Pod", ns.GetPod(sandbox))
	},
	v1beta1.SandboxClaimShutdownRetain: func(ns *harness.Space, sandbox string) {
		waitClaimExpired(ns)
		ns.WaitGone("the Pod", ns.GetPod(sandbox))
		assert.Nil(ns.T, ns.Get(sandbox).DeletionTimestamp)
	},
}

func TestClaimEndsAtItsShutdownTime(t *testing.T) {
	t.Parallel()
	for policy, left := range policies {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			ns := env.Space(t)
			claim := living(ns, endingBy(policy))
			left(ns, claim.Status.Sandbox.Name)
			assert.False(t, time.Now().Before(claim.Spec.Lifecycle.ShutdownTime.Time), "it ended too early")
		})
	}
}

func TestClaimEndsAfterItHasFinished(t *testing.T) {
	t.Parallel()
	for policy, left := range policies {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			ns := env.Space(t)
			const ttl = 3
			claim := living(ns, func() v1beta1.SandboxClaimLifecycle {
				return v1beta1.SandboxClaimLifecycle{TTLSecondsAfterFinished: ptr.To[int32](ttl), ShutdownPolicy: policy}
			})
			running := func() error { return getClaim(ns)(t.Context()) }
			ns.Always("a claim that has not finished stays", (ttl+1)*time.Second, running)
			ns.EndPod(claim.Status.Sandbox.Name, 0)
			ended := time.Now().Truncate(time.Second) // as conditions have it
			left(ns, claim.Status.Sandbox.Name)
			assert.GreaterOrEqual(t, time.Since(ended), ttl*time.Second, "it ended too early")
		})
	}
}

func TestClaimIsExtendedBeforeItEnds(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	claim := living(ns, endingBy(v1beta1.SandboxClaimShutdownDelete))
	pod := ns.Pod(claim.Status.Sandbox.Name).UID
	extend(ns, fmt.Sprintf(`{"shutdownTime":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
	ns.Always("an extended claim stays as it is", life+2*time.Second, func() error {
		extended, err := ns.Claims().Get(t.Context(), "mine", metav1.GetOptions{})
		if err == nil && !meta.IsStatusConditionTrue(extended.Status.Conditions, v1beta1.ConditionReady) {
			err = fmt.Errorf("conditions %+v", extended.Status.Conditions)
		}
		return err
	})
	assert.Equal(t, pod, ns.Pod(claim.Status.Sandbox.Name).UID)
}

func TestRetainedClaimIsExtendedAfterItHasEnded(t *testing.T) {
	t.Parallel()
	for name, lifecycle := range map[string]string{
		"later":   fmt.Sprintf(`{"shutdownTime":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)),
		"forever": "null",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := env.Space(t)
			claim := living(ns, endingBy(v1beta1.SandboxClaimShutdownRetain))
			waitClaimExpired(ns)
			ns.WaitGone("the Pod", ns.GetPod(claim.Status.Sandbox.Name))
			extend(ns, lifecycle)
			again := waitClaimReady(ns, "mine")
			assert.Equal(t, claim.Status.Sandbox.Name, again.Status.Sandbox.Name, "it is the same Sandbox")
			held := ns.Get(claim.Status.Sandbox.Name)
			assert.Equal(t, claim.UID, held.Spec.ClaimRef.UID)
			assert.Nil(t, held.Spec.ShutdownTime)
		})
	}
}
