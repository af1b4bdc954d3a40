// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
)

// seen is what one event says.
type seen struct {
	kind            watch.EventType
	name, rv, bound string
}

// cacheable is how the watch cache hands objects to watchers of this process.
type cacheable interface{ GetObject() runtime.Object }

func (r *replica) watch(s *genericregistry.Store, rv string) watch.Interface {
	r.Helper()
	w, err := s.Watch(serving(r.Context()), &metainternalversion.ListOptions{ResourceVersion: rv})
	require.NoError(r, err)
	r.Cleanup(w.Stop)
	return w
}

func (r *replica) next(w watch.Interface) seen {
	r.Helper()
	select {
	case event, ok := <-w.ResultChan():
		require.True(r, ok, "the watch ended")
		object := event.Object
		if c, ok := object.(cacheable); ok {
			object = c.GetObject()
		}
		pod, ok := object.(*example.Pod)
		require.True(r, ok, "%#v", object)
		return seen{event.Type, pod.Name, pod.ResourceVersion, pod.Annotations[boundTo]}
	case <-time.After(patience):
		require.Fail(r, "no event")
	}
	return seen{}
}

func TestWatchersSeeBothAtOneRevision(t *testing.T) {
	for name, cached := range map[string]bool{"cache": true, "etcd": false} {
		t.Run(name, func(t *testing.T) {
			servers := newEtcd(t)
			r, other := newReplica(t, servers, cached), newReplica(t, servers, cached)
			start := r.create(r.boxes, named("box")).ResourceVersion
			r.create(r.boxes, named("next"))
			claimEvents, boxEvents := other.watch(other.claims, start), other.watch(other.boxes, start)
			assert.Equal(t, "next", other.next(boxEvents).name)

			_, claim, _, err := r.claiming(serving(t.Context()), named("claim"), "box", bind("claim"))
			require.NoError(t, err)
			rv := claim.ResourceVersion
			assert.Equal(t, seen{watch.Added, "claim", rv, ""}, other.next(claimEvents))
			assert.Equal(t, seen{watch.Modified, "box", rv, "claim"}, other.next(boxEvents))

			// Watchers that stopped there go on from there: nothing again, nothing lost.
			claimEvents, boxEvents = other.watch(other.claims, rv), other.watch(other.boxes, rv)
			_, later, _, err := r.claiming(serving(t.Context()), named("later"), "next", bind("later"))
			require.NoError(t, err)
			assert.Equal(t, seen{watch.Added, "later", later.ResourceVersion, ""}, other.next(claimEvents))
			assert.Equal(t, seen{watch.Modified, "next", later.ResourceVersion, "later"}, other.next(boxEvents))
		})
	}
}
