// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestEmptyEtcd: a server that has lost its etcd serves nothing, so nobody learns from it that
// an owner does not exist. When its loss is confirmed the garbage collector does learn it:
// disks have no owner to miss, and a Pod keeps its anchor.
func TestEmptyEtcd(t *testing.T) {
	ns := env.Space(t)
	populate(ns)
	before, err := children(ns)
	require.NoError(t, err)
	disk := ns.Disk("data-running")

	require.NoError(t, env.Cluster.Server.Kill(t.Context()))
	require.NoError(t, env.Cluster.Server.WipeData())
	require.NoError(t, env.Cluster.Server.Launch())
	watchFenced(ns, "EpochMissing", before)

	confirm(ns)
	list, err := ns.Sandboxes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, list.Items, "its etcd is not empty")
	ns.Eventually("the collector has dropped what points nowhere", func() error {
		for _, name := range []string{"running", "plain", "resumed", "finished"} {
			pod, err := ns.Pods().Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if metav1.GetControllerOf(pod) != nil {
				return fmt.Errorf("Pod %s is owned by %v", name, pod.OwnerReferences)
			}
		}
		return nil
	})
	require.NoError(t, remain(ns, before))
	anchor := metav1.OwnerReference{APIVersion: "v1", Kind: "Service", Name: v1beta1.SharedServiceName, UID: before["service/"+v1beta1.SharedServiceName]}
	assert.Equal(t, []metav1.OwnerReference{anchor}, ns.Pod("running").OwnerReferences)

	// A namesake does not take what belonged to another.
	ns.Create(harness.Sandbox("running", harness.WithDisk("data"), harness.WithService))
	ns.WaitConditions("running", "Ready=False/NameConflict", "Suspended=False/PodNotOwned")
	require.NoError(t, remain(ns, before))
	assert.Equal(t, disk.Labels, ns.Disk("data-running").Labels)
	assert.Equal(t, corev1.ClaimBound, ns.Disk("data-running").Status.Phase)
	ns.Create(harness.Sandbox("new"))
	ns.WaitReady("new")
}
