// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// longEnough is a minute: enough for the garbage collector and the namespace controller to act
// on an API that does not answer: they look again every few seconds.
const longEnough = time.Minute

// TestStoppedForAMinute: nothing that runs depends on the server running, and what
// happened meanwhile is made up for.
func TestStoppedForAMinute(t *testing.T) {
	ns := env.Space(t)
	populate(ns)
	before, err := children(ns)
	require.NoError(t, err)
	sandboxes := statuses(ns)

	require.NoError(t, env.Cluster.Server.Stop(t.Context()))
	lost := before["pod/plain"]
	require.NoError(t, ns.Pods().Delete(t.Context(), "plain", metav1.DeleteOptions{}))
	remaining := maps.Clone(before)
	delete(remaining, "pod/plain")
	ns.Always("every Pod, disk and Service stays without the server", longEnough, func() error { return remain(ns, remaining) })
	require.NoError(t, env.Cluster.Server.Start(t.Context()))

	ns.WaitReplaced("plain", lost)
	ns.WaitReady("plain")
	require.NoError(t, remain(ns, remaining))
	after := statuses(ns)
	delete(sandboxes, "plain")
	delete(after, "plain")
	assert.Equal(t, sandboxes, after, "no Sandbox but the unlucky one has changed")

	ns.Create(harness.Sandbox("new", harness.WithDisk("data")))
	ns.WaitReady("new")
	_, err = ns.Sandboxes().Suspend(t.Context(), "running", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	ns.WaitSuspended("running")
}

// statuses are the Sandboxes of a namespace by name, without what a new leader may refresh.
func statuses(ns *harness.Space) map[string]v1beta1.SandboxStatus {
	ns.T.Helper()
	list, err := ns.Sandboxes().List(ns.T.Context(), metav1.ListOptions{})
	require.NoError(ns.T, err)
	found := map[string]v1beta1.SandboxStatus{}
	for _, sandbox := range list.Items {
		found[sandbox.Name] = sandbox.Status
	}
	return found
}
