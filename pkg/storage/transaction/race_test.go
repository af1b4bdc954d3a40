// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/apis/example"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher/consistency"
	"k8s.io/apiserver/pkg/storage/etcd3/testserver"
)

const (
	raceBoxes   = 120
	raceWorkers = 4 // a replica
)

// race is two replicas whose workers claim every box at once.
type race struct {
	servers  []string
	replicas [2]*replica
	attempts atomic.Int64
	bound    atomic.Int64

	mu       sync.Mutex
	outcomes map[string]Outcome // by claim
}

func newRace(t *testing.T, servers []string) *race {
	t.Helper()
	x := &race{servers: servers, outcomes: map[string]Outcome{}}
	for i := range x.replicas {
		x.replicas[i] = newReplica(t, servers, true)
	}
	for i := range raceBoxes {
		x.replicas[0].create(x.replicas[0].boxes, named(boxName(i)))
	}
	return x
}

func boxName(i int) string { return "box-" + strconv.Itoa(i) }

// run lets the workers go until every box is bound, does what is to happen
// meanwhile, and returns when all have ended, and the noise with them.
func (x *race) run(t *testing.T, meanwhile func()) {
	t.Helper()
	var workers, noise sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	noisy, hush := context.WithCancel(ctx)
	for _, r := range x.replicas {
		for range raceWorkers {
			workers.Go(func() { x.work(ctx, r) })
		}
		noise.Go(func() { makeNoise(noisy, r) })
	}
	meanwhile()
	workers.Wait()
	hush()
	noise.Wait()
	require.NoError(t, ctx.Err(), "the workers ended in time")
}

// work claims each box until it knows that it is taken.
func (x *race) work(ctx context.Context, r *replica) {
	for _, i := range rand.Perm(raceBoxes) {
		taken := func(ctx context.Context) (bool, error) { return x.attempt(ctx, r, boxName(i)), nil }
		if wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true, taken) != nil {
			return
		}
	}
}

// attempt claims one box under a name of its own and says whether it is taken.
func (x *race) attempt(ctx context.Context, r *replica, box string) bool {
	claim := named(fmt.Sprintf("claim-%d", x.attempts.Add(1)))
	claim.Annotations = map[string]string{"box": box}
	outcome, _, _, err := r.claiming(serving(ctx), claim, box, bind(claim.Name))
	x.mu.Lock()
	x.outcomes[claim.Name] = outcome
	x.mu.Unlock()
	if outcome == Committed {
		x.bound.Add(1)
	}
	return err == nil || apierrors.IsConflict(err)
}

// makeNoise changes boxes under the workers' hands.
func makeNoise(ctx context.Context, r *replica) {
	i := 0
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		// Conflicts and a stopped etcd are part of the noise.
		_, _ = r.update(serving(ctx), boxName(rand.IntN(raceBoxes)), label("n"+strconv.Itoa(i%50)))
		i++
	}, time.Millisecond)
}

func (x *race) verify(t *testing.T) {
	t.Helper()
	stored := list(t, x.replicas[0].claims)
	boxes := list(t, x.replicas[0].boxes)
	require.Len(t, boxes, raceBoxes)
	assert.Len(t, stored, raceBoxes, "each box is bound to one claim")
	for name, box := range boxes {
		claim, ok := stored[box.Annotations[boundTo]]
		if assert.True(t, ok, "box %s is bound to %q, which is not stored", name, box.Annotations[boundTo]) {
			assert.Equal(t, name, claim.Annotations["box"])
		}
	}
	for name, claim := range stored {
		assert.Equal(t, name, boxes[claim.Annotations["box"]].Annotations[boundTo], "claim %s is half a claim", name)
	}
	for name, outcome := range x.outcomes {
		switch _, ok := stored[name]; outcome {
		case Committed:
			assert.True(t, ok, "claim %s was acknowledged and is lost", name)
		case NotCommitted:
			assert.False(t, ok, "claim %s was refused and is stored", name)
		}
	}
}

// list reads from etcd.
func list(t *testing.T, s *genericregistry.Store) map[string]*example.Pod {
	t.Helper()
	ctx, cancel := context.WithTimeout(serving(t.Context()), patience)
	defer cancel()
	all, err := s.List(ctx, &metainternalversion.ListOptions{})
	require.NoError(t, err)
	items := map[string]*example.Pod{}
	for i := range all.(*example.PodList).Items {
		item := &all.(*example.PodList).Items[i]
		items[item.Name] = item
	}
	return items
}

// watchCache is a store's cache as upstream's consistency checker wants it.
type watchCache struct{ storage.Interface }

func (c watchCache) Ready() bool       { return c.ReadinessCheck() == nil }
func (watchCache) MarkConsistent(bool) {}

// requireConsistentCaches compares each cache with etcd at the cache's revision.
func (x *race) requireConsistentCaches(t *testing.T) {
	t.Helper()
	plain := newReplica(t, x.servers, false)
	for _, r := range x.replicas {
		for _, s := range []struct{ cached, stored *genericregistry.Store }{{r.claims, plain.claims}, {r.boxes, plain.boxes}} {
			resource := s.cached.DefaultQualifiedResource
			checker := consistency.NewChecker("/"+resource.Resource, resource, s.cached.NewListFunc,
				watchCache{s.cached.Storage.Storage}, s.stored.Storage.Storage)
			digest, err := checker.CalculateDigests(t.Context())
			require.NoError(t, err)
			assert.Equal(t, digest.EtcdDigest, digest.CacheDigest, "%s: %v", resource, digest.DiffDetail)
		}
	}
}

func TestReplicasNeverShareABox(t *testing.T) {
	x := newRace(t, newEtcd(t))
	x.run(t, func() {})
	x.verify(t)
	x.requireConsistentCaches(t)
	for _, outcome := range x.outcomes {
		require.NotEqual(t, Unknown, outcome, "etcd was there all the time")
	}
}

func TestEtcdRestartsInTheMiddle(t *testing.T) {
	config := testserver.NewTestConfig(t)
	config.UnsafeNoFsync = false
	member := runEtcd(t, config)
	t.Cleanup(func() { member.Close() })
	x := newRace(t, []string{config.ListenClientUrls[0].String()})

	x.run(t, func() {
		require.Eventually(t, func() bool { return x.bound.Load() >= raceBoxes/3 }, patience, time.Millisecond)
		member.kill()
		member.Close()
		member = runEtcd(t, config)
	})
	x.verify(t)
	x.requireConsistentCaches(t)
	counts := map[Outcome]int{}
	for _, outcome := range x.outcomes {
		counts[outcome]++
	}
	t.Logf("outcomes: %v", counts)
}

func TestSameNameIsClaimedOnce(t *testing.T) {
	r := newReplica(t, newEtcd(t), true)
	const rivals = 8
	for i := range rivals {
		r.create(r.boxes, named(boxName(i)))
	}
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range rivals {
		all.Go(func() {
			outcome, _, _, err := r.claiming(serving(t.Context()), named("claim"), boxName(i), bind("claim"))
			if outcome == Committed {
				won.Add(1)
				return
			}
			assert.True(t, apierrors.IsAlreadyExists(err), "%v", err)
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, won.Load())
	bound := 0
	for _, box := range list(t, r.boxes) {
		if metav1.HasAnnotation(box.ObjectMeta, boundTo) {
			bound++
		}
	}
	assert.Equal(t, 1, bound)
}
