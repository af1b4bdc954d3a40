// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// Claim and Sandbox are written together but seen one after the other.
func TestNothingIsWrittenFromAStaleCache(t *testing.T) {
	tests := map[string]struct {
		cached, live []runtime.Object
	}{
		"the Sandbox is not yet seen as claimed": {
			[]runtime.Object{newClaim(), newSandbox(unclaimed)},
			[]runtime.Object{newClaim(), newSandbox()},
		},
		"the cold Sandbox is not yet seen": {
			[]runtime.Object{newClaim(cold)},
			[]runtime.Object{newClaim(cold), newSandbox(silent)},
		},
		"the claim is not yet seen as reported": {
			[]runtime.Object{newClaim(cold), newSandbox()},
			[]runtime.Object{newClaim(), newSandbox()},
		},
		"the claim is not yet seen as served": {
			[]runtime.Object{newClaim(inQueue), newSandbox(), newPool(), newTemplate()},
			[]runtime.Object{newClaim(), newSandbox(), newPool(), newTemplate()},
		},
		"the Sandbox is behind what the last leader reported": {
			[]runtime.Object{newClaim(claimFinished, readyIs(v1beta1.ReasonPodSucceeded)), newSandbox()},
			[]runtime.Object{newClaim(claimFinished, readyIs(v1beta1.ReasonPodSucceeded)), newSandbox(finishedAgo(time.Hour))},
		},
		"the pool is not yet seen": {
			[]runtime.Object{newClaim(inQueue)},
			[]runtime.Object{newClaim(inQueue), newPool(), newTemplate()},
		},
		"the template is not yet seen": {
			[]runtime.Object{newClaim(inQueue), newPool()},
			[]runtime.Object{newClaim(inQueue), newPool(), newTemplate()},
		},
		"the claim was extended": {
			[]runtime.Object{newClaim(ending(-time.Hour, deletion)), newSandbox()},
			[]runtime.Object{newClaim(ending(time.Hour, deletion)), newSandbox()},
		},
		"the retained claim was extended": {
			[]runtime.Object{newClaim(ending(-time.Hour, retain)), newSandbox()},
			[]runtime.Object{newClaim(ending(time.Hour, retain)), newSandbox()},
		},
		"the Sandbox is not yet seen as shut down": {
			[]runtime.Object{newClaim(ending(-time.Hour, retain), expired), newSandbox()},
			[]runtime.Object{newClaim(ending(-time.Hour, retain), expired), newSandbox(shutDownAt(-time.Minute), byTheClaim("{}"))},
		},
		"the Sandbox is not yet seen as revived": {
			[]runtime.Object{newClaim(ending(time.Hour, retain)), newSandbox(shutDownAt(-time.Minute), byTheClaim("{}"))},
			[]runtime.Object{newClaim(ending(time.Hour, retain)), newSandbox()},
		},
		"the claim is gone": {
			[]runtime.Object{newClaim(cold), newSandbox()},
			[]runtime.Object{newSandbox()},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, test.live...).cache(test.cached...)
			h.mustSync()
			assert.Empty(t, h.writes())
			assert.Empty(t, h.recorded())
		})
	}
}

// The hot path leaves no reads behind: the Sandbox's event is on its way.
func TestAClaimThatWasJustBoundIsGivenTime(t *testing.T) {
	justBound := func(c *v1beta1.SandboxClaim) { c.Status.Conditions[0].LastTransitionTime = at(-time.Second) }
	h := newHarness(t, newClaim(justBound)).cache(newClaim(justBound), newSandbox(unclaimed))
	assert.Equal(t, time.Second, h.mustSync())
	assert.Empty(t, h.server.Actions())

	h.clock.SetTime(now.Add(time.Second))
	h.mustSync()
	assert.Equal(t, "False/SandboxLost", h.conditions()["Bound"], "it is not for ever")
}

// Immune: a Sandbox deleted because a cache did not know of its claim.
func TestAClaimMissingInTheCacheIsNotGone(t *testing.T) {
	h := newHarness(t, newClaim(), newSandbox()).cache(newSandbox())
	h.mustSync()
	assert.Equal(t, []string{"get sandboxclaims/mine"}, h.reads())
	assert.Empty(t, h.writes())
}

// The live claim decides even where the cache has its successor.
func TestTheCacheHasAnotherClaimOfThatName(t *testing.T) {
	h := newHarness(t, newClaim(), newSandbox()).cache(newClaim(inQueue, withUID("uid-after")), newSandbox(), newPool(), newTemplate())
	h.mustSync()
	assert.Empty(t, h.writes())
}

// Of a deletion with --cascade=orphan the cache may see the end before the beginning.
// The resourceVersion then keeps the Sandbox.
func TestOrphanedButNotYetSeenAsSuch(t *testing.T) {
	h := newHarness(t, newSandbox(orphaned, func(s *v1beta1.Sandbox) { s.ResourceVersion = "21" })).cache(newSandbox())
	h.mustSync()
	assert.Equal(t, []string{"delete sandboxes/python-abc uid=uid-abc rv=20"}, h.writes(), "an API server refuses it")
}

func TestWhatIsGoneNeedsNoWriting(t *testing.T) {
	h := newHarness(t).cache(newSandbox())
	h.mustSync()
	assert.Len(t, h.writes(), 1, "the cache will tell")

	h = newSyncedHarness(t, newClaim(ending(-time.Hour, deletion)))
	h.refuse("delete", "sandboxclaims", notFound("mine"))
	h.mustSync()
	assert.Empty(t, h.recorded())

	h = newSyncedHarness(t, newClaim(cold), newSandbox())
	h.refuse("update", "sandboxclaims", notFound("mine"))
	h.mustSync()
	assert.Empty(t, h.recorded())
}

// The Sandbox that has the claim's UID is the one, whatever status says.
func TestTheStatedNameIsNotTrusted(t *testing.T) {
	claim := newClaim(func(c *v1beta1.SandboxClaim) { c.Status.Sandbox.Name = "python-xyz" })
	theirs := newSandbox(sandboxNamed("python-xyz"), claimedBy("other", "uid-other"), func(s *v1beta1.Sandbox) {
		s.Status.PodIPs = []string{"10.9.9.9"}
	})
	h := newSyncedHarness(t, claim, theirs, newSandbox())
	h.mustSync()
	assert.Equal(t, newClaim().Status.Sandbox, h.claim("mine").Status.Sandbox)
	assert.Equal(t, theirs, h.sandbox("python-xyz"), "untouched")
}

func TestSandboxName(t *testing.T) {
	second := newSandbox(sandboxNamed("python-aaa"))
	tests := map[string]struct {
		claim  *v1beta1.SandboxClaim
		cached []runtime.Object
		want   string
	}{
		"stated":                   {newClaim(), nil, "python-abc"},
		"stated and found":         {newClaim(), []runtime.Object{newSandbox()}, "python-abc"},
		"found":                    {newClaim(wiped), []runtime.Object{newSandbox()}, "python-abc"},
		"neither":                  {newClaim(wiped), nil, ""},
		"two, one is stated":       {newClaim(), []runtime.Object{second, newSandbox()}, "python-abc"},
		"two, none is stated":      {newClaim(wiped), []runtime.Object{newSandbox(), second}, "python-aaa"},
		"of another UID":           {newClaim(wiped, withUID("uid-after")), []runtime.Object{newSandbox()}, ""},
		"of another UID, and mine": {newClaim(wiped), []runtime.Object{newSandbox(sandboxNamed("python-old"), claimedBy("mine", "uid-old")), newSandbox()}, "python-abc"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t).cache(test.cached...)
			assert.Equal(t, test.want, h.sandboxName(test.claim))
		})
	}
}

// A deleted claim that waits for its Sandbox is gone from the start for the queue.
func TestForegroundDeletionOfAnOrphanedSandbox(t *testing.T) {
	h := newSyncedHarness(t, newClaim(deletedWith(metav1.FinalizerDeleteDependents)), newSandbox(orphaned))
	h.mustSync()
	assert.Empty(t, h.writes())
}
