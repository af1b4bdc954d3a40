// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func notFound(name string) error { return apierrors.NewNotFound(claims.GroupResource(), name) }

func queued(name string, before time.Duration, changes ...change) *v1beta1.SandboxClaim {
	return newClaim(append([]change{inQueue, named(name), createdAt(before)}, changes...)...)
}

func member(name string, changes ...sandboxChange) *v1beta1.Sandbox {
	return newSandbox(append([]sandboxChange{sandboxNamed(name), unclaimed}, changes...)...)
}

func names(claims []*v1beta1.SandboxClaim) []string {
	var names []string
	for _, claim := range claims {
		names = append(names, claim.Name)
	}
	return names
}

func TestInLine(t *testing.T) {
	tests := map[string]struct {
		claims []*v1beta1.SandboxClaim
		want   []string
	}{
		"nobody":              {nil, nil},
		"the oldest first":    {[]*v1beta1.SandboxClaim{queued("b", time.Minute), queued("a", time.Second), queued("c", time.Hour)}, []string{"c", "b", "a"}},
		"of one second":       {[]*v1beta1.SandboxClaim{queued("b", time.Minute), queued("a", time.Minute)}, []string{"a", "b"}},
		"over":                {[]*v1beta1.SandboxClaim{queued("a", time.Hour, ending(-time.Second, retain)), queued("b", 0)}, []string{"b"}},
		"over at a later end": {[]*v1beta1.SandboxClaim{queued("a", time.Hour, ending(time.Second, retain))}, []string{"a"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, names(inLine(test.claims, now)))
		})
	}
}

func TestAskAgainAfter(t *testing.T) {
	tests := map[string]struct {
		members []*v1beta1.Sandbox
		want    time.Duration
	}{
		"just Ready":          {[]*v1beta1.Sandbox{member("a", readySince(0))}, minAskAgain},
		"clock behind":        {[]*v1beta1.Sandbox{member("a", readySince(-time.Minute))}, minAskAgain},
		"a while":             {[]*v1beta1.Sandbox{member("a", readySince(4*time.Second))}, 4 * time.Second},
		"long":                {[]*v1beta1.Sandbox{member("a", readySince(time.Hour))}, maxAskAgain},
		"the youngest counts": {[]*v1beta1.Sandbox{member("a", readySince(time.Hour)), member("b", readySince(time.Second))}, time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, askAgainAfter(test.members, now)) })
	}
}

func TestServing(t *testing.T) {
	tests := map[string]struct {
		objects []runtime.Object
		free    []string
		asked   []string
		given   []string
		again   time.Duration
	}{
		"nobody waits":      {objects: []runtime.Object{newPool(), member("a"), newClaim()}, free: []string{"a"}},
		"nothing available": {objects: []runtime.Object{newPool(), queued("x", 0)}},
		"one each": {
			objects: []runtime.Object{newPool(), member("a"), queued("x", 0)}, free: []string{"a"},
			asked: []string{"python/x"}, given: []string{"x=a"},
		},
		"in the order in which they came": {
			objects: []runtime.Object{newPool(), member("a"), member("b"), queued("x", time.Second), queued("y", time.Minute), queued("z", time.Hour)},
			free:    []string{"a", "b"}, asked: []string{"python/z", "python/y"}, given: []string{"z=a", "y=b"},
		},
		"fewer than it looked": {
			objects: []runtime.Object{newPool(), member("a"), member("b"), queued("x", 0), queued("y", time.Minute)},
			free:    []string{"a"}, asked: []string{"python/y", "python/x"}, given: []string{"y=a"}, again: 10 * time.Second,
		},
		"more than claims": {
			objects: []runtime.Object{newPool(), member("a"), member("b"), queued("x", 0)}, free: []string{"a", "b"},
			asked: []string{"python/x"}, given: []string{"x=a"},
		},
		"of another pool": {
			objects: []runtime.Object{newPool(), member("a", ownedBy(poolKind, "go", "uid-go")), queued("x", 0)}, free: []string{"a"},
		},
		"of a pool that had the name": {
			objects: []runtime.Object{newPool(), member("a", ownedBy(poolKind, "python", "uid-before")), queued("x", 0)}, free: []string{"a"},
		},
		"only labelled as a member": {
			objects: []runtime.Object{newPool(), member("a", orphaned), queued("x", 0)}, free: []string{"a"},
		},
		"withheld": {
			objects: []runtime.Object{newPool(), member("a", madeBeforeTheLoss), queued("x", 0)}, free: []string{"a"},
		},
		"withheld, and one that is not": {
			objects: []runtime.Object{newPool(), member("a", madeBeforeTheLoss), member("b"), queued("x", 0), queued("y", time.Minute)},
			free:    []string{"b"}, asked: []string{"python/y"}, given: []string{"y=b"},
		},
		"pool gone": {objects: []runtime.Object{member("a"), queued("x", 0)}, free: []string{"a"}},
		"pool going": {
			objects: []runtime.Object{newPool(func(p *v1beta1.SandboxWarmPool) { p.DeletionTimestamp = deleted }), member("a"), queued("x", 0)},
			free:    []string{"a"},
		},
		"over": {objects: []runtime.Object{newPool(), member("a"), queued("x", 0, ending(-time.Second, retain))}, free: []string{"a"}},
		"has a Sandbox, status wiped": {
			objects: []runtime.Object{newPool(), member("a"), newSandbox(), newClaim(inQueue)}, free: []string{"a"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, test.objects...)
			h.door.free = test.free
			assert.Equal(t, test.again, h.mustServe())
			assert.Equal(t, test.asked, h.door.asked)
			assert.Equal(t, test.given, h.door.given)
		})
	}
}

// Immune: a claim that was deleted while it waited comes back to life.
func TestServingLooksAtTheLiveClaim(t *testing.T) {
	tests := map[string]*v1beta1.SandboxClaim{
		"gone":                 nil,
		"another of that name": queued("x", 0, withUID("uid-after")),
		"served":               newClaim(named("x")),
		"being deleted":        queued("x", 0, deletedWith("example.com/mine")),
		"over":                 queued("x", 0, ending(-time.Second, retain)),
	}
	for name, live := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, newPool(), member("a"), queued("y", 0)).
				cache(newPool(), member("a"), queued("x", time.Hour), queued("y", 0))
			if live != nil {
				h.store(live)
			}
			h.door.free = []string{"a"}
			assert.Zero(t, h.mustServe())
			assert.Equal(t, []string{"python/y"}, h.door.asked, "the next one gets it")
			assert.Equal(t, []string{"y=a"}, h.door.given)
		})
	}
}

// The Sandbox that the cache still offers was given in the last round.
func TestServingFromAStaleCacheGivesNothingTwice(t *testing.T) {
	h := newSyncedHarness(t, newPool(), member("a"), queued("x", 0))
	h.door.free = []string{"a"}
	h.mustServe()
	h.mustServe()
	assert.Equal(t, []string{"x=a"}, h.door.given)
	assert.Equal(t, []string{"python/x"}, h.door.asked)
}

func TestRefusals(t *testing.T) {
	refused := apierrors.NewInvalid(v1beta1.SchemeGroupVersion.WithKind("SandboxClaim").GroupKind(), "x", nil)
	away := apierrors.NewServiceUnavailable("etcd is away")
	tests := map[string]struct {
		err   error
		given []string
	}{
		"for what the claim is": {refused, []string{"y=a"}},
		"for the moment":        {away, nil},
		"for a race":            {apierrors.NewConflict(claims.GroupResource(), "x", errors.New("another spec")), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, newPool(), member("a"), queued("x", time.Hour), queued("y", 0))
			h.door.free, h.door.refusals = []string{"a"}, map[string]error{"x": test.err}
			_, err := h.serve(t.Context(), python)
			require.ErrorIs(t, err, test.err, "tried again")
			assert.Equal(t, test.given, h.door.given)
		})
	}
}

func TestServingStopsWhenTheClaimCannotBeRead(t *testing.T) {
	h := newSyncedHarness(t, newPool(), member("a"), queued("x", 0))
	away := apierrors.NewServiceUnavailable("etcd is away")
	h.refuse("get", "sandboxclaims", away)
	_, err := h.serve(t.Context(), python)
	require.ErrorIs(t, err, away)
	assert.Empty(t, h.door.asked)
}

// The call says which claim is meant, and what it wants.
func TestWhatIsAskedFor(t *testing.T) {
	h := newSyncedHarness(t, newPool(), member("a"), queued("x", 0, ending(time.Hour, retain)))
	h.mustServe()
	require.NotNil(t, h.door.last)
	assert.Equal(t, metav1.ObjectMeta{Namespace: "team", Name: "x", UID: "uid-x"}, h.door.last.ObjectMeta)
	assert.Equal(t, h.claim("x").Spec, h.door.last.Spec)
}
