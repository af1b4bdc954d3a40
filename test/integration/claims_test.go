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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// newPool makes a template and a pool of it, both called python, and waits until
// the pool is full.
func newPool(ns *harness.Space, replicas int32, changes ...func(*v1beta1.SandboxTemplate)) {
	ns.T.Helper()
	_, err := ns.Templates().Create(ns.T.Context(), harness.Template("python", changes...), metav1.CreateOptions{})
	require.NoError(ns.T, err)
	_, err = ns.Pools().Create(ns.T.Context(), harness.Pool("python", "python", func(p *v1beta1.SandboxWarmPool) { p.Spec.Replicas = &replicas }), metav1.CreateOptions{})
	require.NoError(ns.T, err)
	waitFull(ns, replicas)
}

func waitFull(ns *harness.Space, replicas int32) {
	ns.T.Helper()
	ns.Eventually(fmt.Sprintf("the pool has %d Ready", replicas), func() error {
		pool, err := ns.Pools().Get(ns.T.Context(), "python", metav1.GetOptions{})
		if err == nil && (pool.Status.ReadyReplicas != replicas || pool.Status.Replicas != replicas) {
			err = fmt.Errorf("status %+v", pool.Status)
		}
		return err
	})
}

func coldStart(c *v1beta1.SandboxClaim) { c.Spec.OnEmptyPool = v1beta1.OnEmptyPoolColdStart }

func TestWarmClaim(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	newPool(ns, 2)
	claim, err := ns.Claims().Create(t.Context(), harness.Claim("mine", "python", coldStart, func(c *v1beta1.SandboxClaim) {
		c.Spec.AdditionalPodMetadata = v1beta1.PodMetadata{Labels: map[string]string{"team": "red"}, Annotations: map[string]string{"ticket": "7"}}
	}), metav1.CreateOptions{})
	require.NoError(t, err)

	assert.True(t, meta.IsStatusConditionTrue(claim.Status.Conditions, v1beta1.ConditionBound))
	assert.True(t, meta.IsStatusConditionTrue(claim.Status.Conditions, v1beta1.ConditionReady))
	require.NotNil(t, claim.Status.Sandbox)
	held := ns.Get(claim.Status.Sandbox.Name)
	assert.Equal(t, claim.UID, held.Spec.ClaimRef.UID)
	assert.Equal(t, held.Status.PodIPs, claim.Status.Sandbox.PodIPs)
	assert.Equal(t, v1beta1.LaunchWarm, claim.Status.Sandbox.LaunchType)
	ns.Eventually("the Pod carries what the claim adds", func() error {
		pod := ns.Pod(held.Name)
		if pod.Labels["team"] != "red" || pod.Annotations["ticket"] != "7" || pod.Labels[v1beta1.ClaimLabel] != "mine" {
			return fmt.Errorf("labels %v, annotations %v", pod.Labels, pod.Annotations)
		}
		return nil
	})
	waitFull(ns, 2)
	after, err := ns.Claims().Get(t.Context(), "mine", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, claim.ResourceVersion, after.ResourceVersion, "the answer was final: nobody wrote the claim again")

	require.NoError(t, ns.Claims().Delete(t.Context(), "mine", metav1.DeleteOptions{}))
	ns.WaitGone("the Sandbox of a deleted claim", ns.GetSandbox(held.Name))
	ns.WaitGone("its Pod", ns.GetPod(held.Name))
}

func TestColdClaimBecomesReady(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	newPool(ns, 0, func(template *v1beta1.SandboxTemplate) {
		template.Spec.EnvVarsInjectionPolicy = v1beta1.InjectionAllowed
	})
	claim, err := ns.Claims().Create(t.Context(), harness.Claim("mine", "python", coldStart, func(c *v1beta1.SandboxClaim) {
		c.Spec.Env = []v1beta1.SandboxEnvVar{{Name: "TOKEN", Value: "x"}}
		c.Spec.AdditionalPodMetadata.Labels = map[string]string{"team": "red"}
	}), metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, v1beta1.LaunchCold, claim.Status.Sandbox.LaunchType)
	assert.False(t, meta.IsStatusConditionTrue(claim.Status.Conditions, v1beta1.ConditionReady))
	waitClaimReady(ns, "mine")
	pod := ns.Pod(claim.Status.Sandbox.Name)
	assert.Equal(t, "red", pod.Labels["team"])
	assert.Equal(t, "TOKEN", pod.Spec.Containers[0].Env[0].Name)
}

func waitClaimReady(ns *harness.Space, name string) *v1beta1.SandboxClaim {
	ns.T.Helper()
	var claim *v1beta1.SandboxClaim
	ns.Eventually("claim "+name+" is Ready with an address", func() (err error) {
		claim, err = ns.Claims().Get(ns.T.Context(), name, metav1.GetOptions{})
		if err == nil && (!meta.IsStatusConditionTrue(claim.Status.Conditions, v1beta1.ConditionReady) || claim.Status.Sandbox == nil || len(claim.Status.Sandbox.PodIPs) == 0) {
			err = fmt.Errorf("status %+v", claim.Status)
		}
		return err
	})
	return claim
}

func TestWaitingClaimsAreServedInOrder(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	newPool(ns, 0)
	for _, name := range []string{"first", "second"} {
		claim, err := ns.Claims().Create(t.Context(), harness.Claim(name, "python"), metav1.CreateOptions{})
		require.NoError(t, err)
		assert.False(t, meta.IsStatusConditionTrue(claim.Status.Conditions, v1beta1.ConditionBound))
		// Creation times have whole seconds, and the order is by them.
		created := claim.CreationTimestamp.Time
		ns.Eventually("the next second", func() error {
			if time.Since(created) < time.Second {
				return errors.New("not yet")
			}
			return nil
		})
	}
	scale := func(replicas int32) {
		_, err := ns.Pools().Patch(t.Context(), "python", "application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas), metav1.PatchOptions{})
		require.NoError(t, err)
	}
	scale(1)
	first := waitClaimReady(ns, "first")
	second := waitClaimReady(ns, "second")
	assert.NotEqual(t, first.Status.Sandbox.Name, second.Status.Sandbox.Name)
	bound := func(c *v1beta1.SandboxClaim) time.Time {
		return meta.FindStatusCondition(c.Status.Conditions, v1beta1.ConditionBound).LastTransitionTime.Time
	}
	assert.False(t, bound(second).Before(bound(first)))
}

func TestClaimActions(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	newPool(ns, 2)
	body := harness.Claim("mine", "", coldStart)
	first, err := ns.Pools().Claim(t.Context(), "python", body, metav1.CreateOptions{})
	require.NoError(t, err)
	again, err := ns.Pools().Claim(t.Context(), "python", body, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, first.UID, again.UID)
	assert.Equal(t, first.Status.Sandbox, again.Status.Sandbox)

	_, err = ns.Sandboxes().Claim(t.Context(), first.Status.Sandbox.Name, harness.Claim("thief", "python"), metav1.CreateOptions{})
	assert.True(t, apierrors.IsConflict(err), "%v", err)
	waitFull(ns, 2)
	list, err := ns.Sandboxes().List(t.Context(), metav1.ListOptions{FieldSelector: "spec.claimRef.name="})
	require.NoError(t, err)
	wanted := list.Items[0].Name
	very, err := ns.Sandboxes().Claim(t.Context(), wanted, harness.Claim("very", "python"), metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, wanted, very.Status.Sandbox.Name)

	_, err = ns.Pools().Patch(t.Context(), "python", "application/merge-patch+json", []byte(`{"spec":{"replicas":0}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	waitFull(ns, 0)
	response := ns.Do(harness.Request{
		Method: "POST", Path: "sandboxclaims", ContentType: "application/json",
		Body: `{"metadata":{"name":"later"},"spec":{"warmPoolRef":{"name":"python"},"onEmptyPool":"Reject"}}`,
	})
	assert.Equal(t, 429, response.Code, response.Body)
	assert.NotEmpty(t, response.Header.Get("Retry-After"))
	_, err = ns.Claims().Get(t.Context(), "later", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "nothing is stored")
}

func TestClaimExpires(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	newPool(ns, 1)
	claim, err := ns.Claims().Create(t.Context(), harness.Claim("mine", "python", func(c *v1beta1.SandboxClaim) {
		c.Spec.Lifecycle = &v1beta1.SandboxClaimLifecycle{
			ShutdownTime: ptr.To(metav1.NewTime(time.Now().Add(3 * time.Second))), ShutdownPolicy: v1beta1.SandboxClaimShutdownDelete,
		}
	}), metav1.CreateOptions{})
	require.NoError(t, err)
	ns.WaitGone("the expired claim", func(ctx context.Context) error {
		_, err := ns.Claims().Get(ctx, "mine", metav1.GetOptions{})
		return err
	})
	ns.WaitGone("its Sandbox", ns.GetSandbox(claim.Status.Sandbox.Name))
}
