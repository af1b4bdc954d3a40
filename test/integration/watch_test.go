// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestWatch sees a Sandbox come, change and go, on templates: no controller writes to those.
func TestWatch(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	list, err := ns.Templates().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	watcher, err := ns.Templates().Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	require.NoError(t, err)
	defer watcher.Stop()

	created, err := ns.Templates().Create(t.Context(), harness.Template("one"), metav1.CreateOptions{})
	require.NoError(t, err)
	patched, err := ns.Templates().Patch(t.Context(), "one", types.MergePatchType, []byte(`{"spec":{"service":true}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.NoError(t, ns.Templates().Delete(t.Context(), "one", metav1.DeleteOptions{}))

	assertEvent(t, next(ns, watcher), watch.Added, created)
	modified := next(ns, watcher)
	assertEvent(t, modified, watch.Modified, patched)
	deleted := next(ns, watcher)
	assert.Equal(t, watch.Deleted, deleted.Type)
	assert.NotEmpty(t, versionOf(deleted))

	t.Run("resumed", func(t *testing.T) {
		again, err := ns.Templates().Watch(t.Context(), metav1.ListOptions{ResourceVersion: versionOf(modified)})
		require.NoError(t, err)
		defer again.Stop()
		event := next(ns.For(t), again)
		assert.Equal(t, watch.Deleted, event.Type, "a watch goes on after the version it was given")
		assert.Equal(t, versionOf(deleted), versionOf(event))
		assert.NotEqual(t, versionOf(modified), versionOf(event), "the event of a deletion has a version of its own")
	})
}

func assertEvent(t *testing.T, event watch.Event, kind watch.EventType, object *v1beta1.SandboxTemplate) {
	t.Helper()
	assert.Equal(t, kind, event.Type)
	got, ok := event.Object.(*v1beta1.SandboxTemplate)
	require.True(t, ok, "%T", event.Object)
	assert.Equal(t, object, got)
}

func versionOf(event watch.Event) string {
	return event.Object.(metav1.Object).GetResourceVersion()
}

// TestWatchBookmarks asks for the state and the end of the state, as informers do.
func TestWatchBookmarks(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("b", harness.Suspended))
	ns.Create(harness.Sandbox("a", harness.Suspended))
	assert.Equal(t, []string{"a", "b"}, watched(ns, "sandboxes", ""))
}

// TestWatchFollowsASelector: an object that stops matching is deleted for who watches.
func TestWatchFollowsASelector(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	ns.WaitReady("dev")
	watcher, err := ns.Sandboxes().Watch(t.Context(), metav1.ListOptions{FieldSelector: "spec.operatingMode=Running"})
	require.NoError(t, err)
	defer watcher.Stop()
	assert.Equal(t, watch.Added, next(ns, watcher).Type)
	_, err = ns.Sandboxes().Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, watch.Deleted, next(ns, watcher).Type)
	ns.WaitSuspended("dev")
	_, err = ns.Sandboxes().Resume(t.Context(), "dev", &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, watch.Added, next(ns, watcher).Type)
}

// TestResourceVersionsOfReads: what a client has seen, it sees again.
func TestResourceVersionsOfReads(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	created, err := ns.Templates().Create(t.Context(), harness.Template("one"), metav1.CreateOptions{})
	require.NoError(t, err)
	for match, version := range map[metav1.ResourceVersionMatch]string{
		"": "", metav1.ResourceVersionMatchNotOlderThan: created.ResourceVersion, metav1.ResourceVersionMatchExact: created.ResourceVersion,
	} {
		list, err := ns.Templates().List(t.Context(), metav1.ListOptions{ResourceVersion: version, ResourceVersionMatch: match})
		require.NoError(t, err)
		require.Len(t, list.Items, 1, "match %q", match)
		assert.Equal(t, *created, list.Items[0])
	}
	got, err := ns.Templates().Get(t.Context(), "one", metav1.GetOptions{ResourceVersion: created.ResourceVersion})
	require.NoError(t, err)
	assert.Equal(t, created, got)
}
