// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

const writeStatus = "update sandboxclaims/status"

// The budget of a warm claim: what was stored with it is right.
func TestWarmClaimCostsNothing(t *testing.T) {
	h := newSyncedHarness(t, newClaim(), newSandbox())
	assert.Zero(t, h.mustSync())
	assert.Empty(t, h.writes())
	assert.Empty(t, h.reads())
	assert.Empty(t, h.recorded())
}

func TestFollowing(t *testing.T) {
	tests := map[string]struct {
		claim    *v1beta1.SandboxClaim
		sandbox  *v1beta1.Sandbox
		want     map[string]string
		recorded []string
	}{
		"cold, up": {
			newClaim(cold), newSandbox(),
			map[string]string{"Bound": "True/SandboxBound", "Ready": "True/DependenciesReady"}, []string{"Normal Ready"},
		},
		"suspended": {
			newClaim(), newSandbox(notReady(v1beta1.ReasonSandboxSuspended, "")),
			map[string]string{"Bound": "True/SandboxBound", "Ready": "False/SandboxSuspended"}, nil,
		},
		"finished": {
			newClaim(), newSandbox(finishedAgo(time.Hour)),
			map[string]string{"Bound": "True/SandboxBound", "Ready": "False/PodSucceeded", "Finished": "True/PodSucceeded"}, nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, test.claim, test.sandbox)
			h.mustSync()
			assert.Equal(t, []string{writeStatus}, h.writes())
			assert.Equal(t, test.want, h.conditions())
			assert.Equal(t, test.recorded, h.recorded())

			h.cache(h.claim("mine"))
			h.server.ClearActions()
			h.mustSync()
			assert.Empty(t, h.writes(), "once")
		})
	}
}

// The status write was lost, or undone: nothing is created and nothing drawn again.
func TestWipedStatusIsRestored(t *testing.T) {
	for name, claim := range map[string]*v1beta1.SandboxClaim{
		"warm":   newClaim(wiped),
		"waited": newClaim(inQueue, wiped),
	} {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, claim, newSandbox(), newPool(), newTemplate())
			h.mustSync()
			assert.Equal(t, []string{writeStatus}, h.writes())
			assert.Equal(t, newClaim().Status.Sandbox, h.claim("mine").Status.Sandbox)
			assert.Equal(t, "True/SandboxBound", h.conditions()["Bound"])
		})
	}
}

func TestLostSandbox(t *testing.T) {
	for name, sandboxes := range map[string][]*v1beta1.Sandbox{
		"gone":                         nil,
		"another of that name":         {newSandbox(claimedBy("other", "uid-other"))},
		"of an earlier claim":          {newSandbox(claimedBy("mine", "uid-before"), orphaned)},
		"unclaimed, of that name":      {newSandbox(unclaimed)},
		"of another namespace's claim": {newSandbox(claimedBy("mine", "uid-elsewhere"), orphaned)},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, newClaim(), newPool())
			for _, sandbox := range sandboxes {
				h.store(sandbox)
				h.cache(sandbox)
			}
			h.mustSync()
			assert.Equal(t, []string{writeStatus}, h.writes(), "and no other Sandbox is drawn")
			assert.Equal(t, map[string]string{"Bound": "False/SandboxLost", "Ready": "False/SandboxLost"}, h.conditions())
			assert.Equal(t, []string{"Warning SandboxLost"}, h.recorded())
			assert.Equal(t, &v1beta1.ClaimedSandbox{Name: "python-abc", LaunchType: v1beta1.LaunchWarm}, h.claim("mine").Status.Sandbox)
			assert.Empty(t, h.door.asked)
		})
	}
}

func TestWaitingForAPoolThatIsGone(t *testing.T) {
	h := newSyncedHarness(t, newClaim(inQueue))
	h.mustSync()
	assert.Equal(t, "False/PoolNotFound", h.conditions()["Bound"])
	assert.Equal(t, []string{"Warning PoolNotFound"}, h.recorded())

	h.store(newPool(), newTemplate())
	h.cache(newPool(), newTemplate(), h.claim("mine"))
	h.mustSync()
	assert.Equal(t, "False/WaitingForSandbox", h.conditions()["Bound"])
	assert.Empty(t, h.recorded())
}

func TestEndOfALifetime(t *testing.T) {
	tests := map[string]struct {
		claim    *v1beta1.SandboxClaim
		want     []string
		recorded []string
	}{
		"not yet": {newClaim(ending(time.Hour, deletion)), nil, nil},
		"Delete": {
			newClaim(ending(-time.Second, deletion)), []string{"delete sandboxclaims/mine uid=uid-mine rv=20 Background"}, []string{"Normal Expired"},
		},
		"DeleteForeground": {
			newClaim(ending(-time.Second, deleteForeground)), []string{"delete sandboxclaims/mine uid=uid-mine rv=20 Foreground"}, []string{"Normal Expired"},
		},
		"Delete, and a status to write": {
			newClaim(cold, ending(-time.Second, deletion)), []string{"delete sandboxclaims/mine uid=uid-mine rv=20 Background"}, []string{"Normal Expired"},
		},
		"Delete, on its way already": {
			newClaim(ending(-time.Second, deletion), deletedWith("example.com/mine")), nil, nil,
		},
		"Sandbox first": {
			newClaim(ending(-time.Second, deleteForeground), deletedWith(metav1.FinalizerDeleteDependents)),
			[]string{"delete sandboxes/python-abc uid=uid-abc rv=20"}, nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, test.claim, newSandbox())
			h.mustSync()
			assert.Equal(t, test.want, h.writes())
			assert.Equal(t, test.recorded, h.recorded())
		})
	}
}

func TestTheEndIsLookedForAtItsTime(t *testing.T) {
	h := newSyncedHarness(t, newClaim(ending(90*time.Second, deletion)), newSandbox())
	assert.Equal(t, 90*time.Second, h.mustSync())
	h.clock.SetTime(now.Add(90 * time.Second))
	h.mustSync()
	assert.Nil(t, h.claim("mine"))
}

// Immune: a Retain policy that orphans; an expired claim that cannot find its Sandbox.
func TestRetainedClaimEndsAndComesBackWithItsSandbox(t *testing.T) {
	h := newSyncedHarness(t, newClaim(ending(-time.Second, retain)), newSandbox())
	h.mustSync()
	require.Len(t, h.writes(), 2)
	assert.Equal(t, writeStatus, h.writes()[0])
	assert.Equal(t, map[string]string{"Bound": "True/SandboxBound", "Ready": "False/ClaimExpired"}, h.conditions())
	assert.Equal(t, []string{"Normal Expired"}, h.recorded())
	shut := h.sandbox("python-abc")
	assert.Equal(t, at(2*time.Second), metav1.NewTime(shut.Spec.ShutdownTime.UTC()))
	assert.True(t, holds(h.claim("mine"), shut))
	assert.True(t, controlledBy(shut, "uid-mine"))

	h.cache(h.claim("mine"), shut)
	h.server.ClearActions()
	assert.Zero(t, h.mustSync())
	assert.Empty(t, h.writes(), "once")

	extended := h.claim("mine")
	extended.Generation, extended.Spec.Lifecycle.ShutdownTime = 2, ptr.To(at(time.Hour))
	require.NoError(t, h.server.Tracker().Update(claims, extended, "team"))
	h.cache(extended)
	assert.Equal(t, time.Hour, h.mustSync())
	assert.Nil(t, h.sandbox("python-abc").Spec.ShutdownTime)
	assert.NotContains(t, h.sandbox("python-abc").Annotations, shutdownAnnotation)
	assert.Equal(t, map[string]string{"Bound": "True/SandboxBound", "Ready": "True/DependenciesReady"}, h.conditions())
}

// A write to the Sandbox is for the one that was looked at.
func TestShuttingDownHasPreconditions(t *testing.T) {
	h := newSyncedHarness(t, newClaim(ending(-time.Second, retain)), newSandbox())
	h.mustSync()
	var patch struct{ Metadata metav1.ObjectMeta }
	text := h.writes()[1]
	require.NoError(t, json.Unmarshal([]byte(text[len("patch sandboxes/python-abc "):]), &patch))
	assert.EqualValues(t, "uid-abc", patch.Metadata.UID)
	assert.Equal(t, "20", patch.Metadata.ResourceVersion)
}

func TestDeletionFreesEverything(t *testing.T) {
	tests := map[string]struct {
		objects []*v1beta1.Sandbox
		claim   *v1beta1.SandboxClaim
		want    []string
	}{
		"claim gone":              {[]*v1beta1.Sandbox{newSandbox()}, nil, []string{"delete sandboxes/python-abc uid=uid-abc rv=20"}},
		"claim replaced":          {[]*v1beta1.Sandbox{newSandbox()}, newClaim(inQueue, withUID("uid-after")), []string{"delete sandboxes/python-abc uid=uid-abc rv=20"}},
		"claim gone, orphaned":    {[]*v1beta1.Sandbox{newSandbox(orphaned)}, nil, nil},
		"Sandbox on its way":      {[]*v1beta1.Sandbox{newSandbox(sandboxDeleted)}, nil, nil},
		"claim there":             {[]*v1beta1.Sandbox{newSandbox()}, newClaim(), nil},
		"somebody else's Sandbox": {[]*v1beta1.Sandbox{newSandbox(claimedBy("other", "uid-other"))}, nil, nil},
		"the old one, not the new": {
			[]*v1beta1.Sandbox{newSandbox(), newSandbox(sandboxNamed("python-old"), claimedBy("mine", "uid-before"))}, newClaim(),
			[]string{"delete sandboxes/python-old uid=uid-python-old rv=20"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, newPool(), newTemplate())
			for _, sandbox := range test.objects {
				h.store(sandbox)
				h.cache(sandbox)
			}
			if test.claim != nil {
				h.store(test.claim)
				h.cache(test.claim)
			}
			h.mustSync()
			assert.Equal(t, test.want, h.writes())
		})
	}
}

func TestErrors(t *testing.T) {
	away := apierrors.NewServiceUnavailable("the storage fence is closed")
	tests := map[string]struct {
		verb, resource string
		claim          *v1beta1.SandboxClaim
		sandbox        *v1beta1.Sandbox
	}{
		"claim of a Sandbox unreadable": {"get", "sandboxclaims", nil, newSandbox()},
		"claim unreadable":              {"get", "sandboxclaims", newClaim(), newSandbox(silent)},
		"Sandbox unreadable":            {"get", "sandboxes", newClaim(cold), newSandbox()},
		"status refused":                {"update", "sandboxclaims", newClaim(cold), newSandbox()},
		"deletion of the claim refused": {"delete", "sandboxclaims", newClaim(ending(-time.Hour, deletion)), newSandbox()},
		"deletion of Sandbox refused":   {"delete", "sandboxes", nil, newSandbox()},
		"shut down refused":             {"patch", "sandboxes", newClaim(ending(-time.Hour, retain)), newSandbox()},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, test.sandbox)
			if test.claim != nil {
				h.store(test.claim)
				h.cache(test.claim)
				h.cache(newSandbox(notReady(v1beta1.ReasonDependenciesNotReady, "as the cache has it")))
			}
			h.refuse(test.verb, test.resource, away)
			_, err := h.sync(t.Context(), mine)
			require.ErrorIs(t, err, away, "tried again")
			assert.NotContains(t, h.recorded(), "Warning SandboxLost")
		})
	}
}

// Conflicts stay recognizable for the worker, which tries again without complaint.
func TestConflictsAreQuiet(t *testing.T) {
	h := newSyncedHarness(t, newClaim(cold), newSandbox())
	h.refuse("update", "sandboxclaims", apierrors.NewConflict(claims.GroupResource(), "mine", errors.New("changed")))
	_, err := h.sync(t.Context(), mine)
	assert.True(t, apierrors.IsConflict(err))
	assert.Empty(t, h.recorded(), "no Event of what was not stored")
}

func TestEndOfTerm(t *testing.T) {
	h := newSyncedHarness(t, newClaim(cold), newSandbox())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.refuse("update", "sandboxclaims", ctx.Err())
	_, err := h.sync(ctx, mine)
	require.ErrorIs(t, err, context.Canceled)
}
