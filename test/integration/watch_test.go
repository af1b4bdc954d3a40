// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestWatch sees a template come, change and go, whatever else the server does to it.
func TestWatch(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	list, err := ns.Templates().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	created, err := ns.Templates().Create(t.Context(), harness.Template("one"), metav1.CreateOptions{})
	require.NoError(t, err)
	patched, err := ns.Templates().Patch(t.Context(), "one", types.MergePatchType, []byte(`{"spec":{"service":true}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.NoError(t, ns.Templates().Delete(t.Context(), "one", metav1.DeleteOptions{}))

	events := untilDeleted(ns, list.ResourceVersion)
	assert.Equal(t, watch.Event{Type: watch.Added, Object: created}, events[0])
	assert.Contains(t, events, watch.Event{Type: watch.Modified, Object: patched})
	var versions []string
	for i, event := range events {
		if i > 0 && i < len(events)-1 {
			assert.Equal(t, watch.Modified, event.Type)
		}
		versions = append(versions, versionOf(event))
	}
	unique := slices.Clone(versions)
	slices.Sort(unique)
	assert.Len(t, slices.Compact(unique), len(versions), "each event has a version of its own: %v", versions)
	for i, version := range versions {
		if version != versions[len(versions)-1] {
			assert.Equal(t, events[i+1:], untilDeleted(ns, version), "a watch goes on after the version it was given")
		}
	}
}

// untilDeleted returns what a watch sees from a version on, up to the first deletion.
func untilDeleted(ns *harness.Space, version string) []watch.Event {
	ns.T.Helper()
	watcher, err := ns.Templates().Watch(ns.T.Context(), metav1.ListOptions{ResourceVersion: version})
	require.NoError(ns.T, err)
	defer watcher.Stop()
	var events []watch.Event
	for {
		events = append(events, next(ns, watcher))
		if events[len(events)-1].Type == watch.Deleted {
			return events
		}
	}
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
		assert.Equal(t, created.UID, list.Items[0].UID)
		if match == metav1.ResourceVersionMatchExact {
			assert.Equal(t, *created, list.Items[0])
		}
	}
	got, err := ns.Templates().Get(t.Context(), "one", metav1.GetOptions{ResourceVersion: created.ResourceVersion})
	require.NoError(t, err)
	assert.Equal(t, created.UID, got.UID)
}
