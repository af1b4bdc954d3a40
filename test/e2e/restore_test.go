// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestClaimedAfterTheBackup: a Sandbox that was claimed after the backup is unclaimed in it. Its
// user keeps it: nobody else gets it, and nothing that its pool does ends it.
func TestClaimedAfterTheBackup(t *testing.T) {
	ns := env.Space(t)
	newPool(ns, 2)
	old, err := ns.Sandboxes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, old.Items, 2)
	data, backup := env.Cluster.Server.DataDir(), filepath.Join(t.TempDir(), "backup")
	require.NoError(t, env.Cluster.Server.Stop(t.Context()))
	require.NoError(t, os.CopyFS(backup, os.DirFS(data)))
	require.NoError(t, env.Cluster.Server.Start(t.Context()))

	used := claimed(ns, "mine")
	ns.Eventually("the Pod says who uses it", func() error { return usedBy(ns, used, "mine") })
	waitFull(ns, 2)
	ns.WaitForCollector()
	before, err := children(ns)
	require.NoError(t, err)

	require.NoError(t, env.Cluster.Server.Stop(t.Context()))
	require.NoError(t, env.Cluster.Server.WipeData())
	require.NoError(t, os.CopyFS(data, os.DirFS(backup)))
	require.NoError(t, env.Cluster.Server.Launch())
	waitFenced(ns, "Rewound")
	confirm(ns)

	waitFull(ns, 2)
	stay := func() error {
		if err := usedBy(ns, used, "mine"); err != nil {
			return err
		}
		return remain(ns, before)
	}
	require.NoError(t, stay())
	require.Nil(t, ns.Get(used).Spec.ClaimRef, "that is what the backup says")
	withheld(ns, 2)
	nobodyGets(ns, old.Items)

	recreate(ns)
	waitFull(ns, 2)
	_, err = ns.Pools().Patch(t.Context(), "python", types.MergePatchType, []byte(`{"spec":{"replicas":0}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	waitFull(ns, 0)
	ns.Always("all that was there goes on", 5*time.Second, stay)
	withheld(ns, 2)

	// What nobody uses is deleted by hand.
	for _, sandbox := range old.Items {
		if sandbox.Name != used {
			require.NoError(t, ns.Sandboxes().Delete(t.Context(), sandbox.Name, metav1.DeleteOptions{}))
			ns.WaitGone("what nobody used", ns.GetPod(sandbox.Name))
		}
	}
	withheld(ns, 1)
	require.NoError(t, usedBy(ns, used, "mine"))
}

// nobodyGets claims every one of these by name, and more of the pool than there are.
func nobodyGets(ns *harness.Space, old []v1beta1.Sandbox) {
	ns.T.Helper()
	for i := range old {
		_, err := ns.Sandboxes().Claim(ns.T.Context(), old[i].Name, harness.Claim("thief", "python"), metav1.CreateOptions{})
		assert.True(ns.T, apierrors.IsConflict(err), "%v", err)
	}
	for i := range 4 {
		got := claimed(ns, fmt.Sprint("other-", i))
		for j := range old {
			assert.NotEqual(ns.T, old[j].Name, got)
		}
	}
	waitFull(ns, 2)
}

func newPool(ns *harness.Space, replicas int32) {
	ns.T.Helper()
	_, err := ns.Templates().Create(ns.T.Context(), harness.Template("python", func(s *v1beta1.SandboxTemplate) {
		s.Spec.VolumeClaimTemplates = []v1beta1.PersistentVolumeClaimTemplate{harness.DiskTemplate("data")}
	}), metav1.CreateOptions{})
	require.NoError(ns.T, err)
	_, err = ns.Pools().Create(ns.T.Context(), harness.Pool("python", "python", func(p *v1beta1.SandboxWarmPool) { p.Spec.Replicas = ptr.To(replicas) }), metav1.CreateOptions{})
	require.NoError(ns.T, err)
	waitFull(ns, replicas)
}

func waitFull(ns *harness.Space, replicas int32) {
	ns.T.Helper()
	ns.Eventually(fmt.Sprintf("the pool has %d Ready", replicas), func() error {
		pool, err := ns.Pools().Get(ns.T.Context(), "python", metav1.GetOptions{})
		if err == nil && (pool.Status.ObservedGeneration != pool.Generation || pool.Status.ReadyReplicas != replicas ||
			pool.Status.Replicas != replicas || pool.Status.StaleReplicas != 0) {
			err = fmt.Errorf("generation %d, status %+v", pool.Generation, pool.Status)
		}
		return err
	})
}

// recreate changes the template of a pool that replaces all stale members at once.
func recreate(ns *harness.Space) {
	ns.T.Helper()
	_, err := ns.Pools().Patch(ns.T.Context(), "python", types.MergePatchType, []byte(`{"spec":{"updateStrategy":{"type":"Recreate"}}}`), metav1.PatchOptions{})
	require.NoError(ns.T, err)
	_, err = ns.Templates().Patch(ns.T.Context(), "python", types.StrategicMergePatchType,
		[]byte(`{"spec":{"podTemplate":{"spec":{"containers":[{"name":"main","env":[{"name":"A","value":"b"}]}]}}}}`), metav1.PatchOptions{})
	require.NoError(ns.T, err)
}

// claimed is the name of the Sandbox that a claim gets, now or when one is available.
func claimed(ns *harness.Space, claim string) (sandbox string) {
	ns.T.Helper()
	_, err := ns.Claims().Create(ns.T.Context(), harness.Claim(claim, "python"), metav1.CreateOptions{})
	require.NoError(ns.T, err)
	ns.Eventually("claim "+claim+" has a Sandbox", func() error {
		got, err := ns.Claims().Get(ns.T.Context(), claim, metav1.GetOptions{})
		if err == nil && got.Status.Sandbox == nil {
			err = fmt.Errorf("status %+v", got.Status)
		}
		if err == nil {
			sandbox = got.Status.Sandbox.Name
		}
		return err
	})
	return sandbox
}

func usedBy(ns *harness.Space, pod, claim string) error {
	found, err := ns.Pods().Get(ns.T.Context(), pod, metav1.GetOptions{})
	if err == nil && found.Labels[v1beta1.ClaimLabel] != claim {
		err = fmt.Errorf("Pod %s has the labels %v", pod, found.Labels)
	}
	return err
}

// withheld waits until the pool says that it withholds so many.
func withheld(ns *harness.Space, count int) {
	ns.T.Helper()
	ns.Eventually(fmt.Sprintf("the pool withholds %d", count), func() error {
		pool, err := ns.Pools().Get(ns.T.Context(), "python", metav1.GetOptions{})
		if err != nil {
			return err
		}
		condition := meta.FindStatusCondition(pool.Status.Conditions, v1beta1.ConditionWithheld)
		if condition == nil || condition.Status != metav1.ConditionTrue || condition.Message[:2] != fmt.Sprint(count, " ") {
			return fmt.Errorf("condition %+v", condition)
		}
		return nil
	})
}
