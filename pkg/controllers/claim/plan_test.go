// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

const (
	retain           = v1beta1.SandboxClaimShutdownRetain
	deletion         = v1beta1.SandboxClaimShutdownDelete
	deleteForeground = v1beta1.SandboxClaimShutdownDeleteForeground
)

func TestDecide(t *testing.T) {
	tests := map[string]struct {
		claim *v1beta1.SandboxClaim
		seen  observed
		want  plan
	}{
		"held":                     {newClaim(), see(newSandbox()), plan{state: held}},
		"waiting":                  {newClaim(inQueue), see(newPool()), plan{state: waiting}},
		"lost":                     {newClaim(), see(), plan{state: lost}},
		"status wiped":             {newClaim(wiped), see(newSandbox()), plan{state: held}},
		"status wiped, and lost":   {newClaim(wiped), see(), plan{state: lost}},
		"bound, Sandbox not named": {newClaim(func(c *v1beta1.SandboxClaim) { c.Status.Sandbox = nil }), see(), plan{state: lost}},

		"ends later": {newClaim(ending(time.Hour, deletion)), see(newSandbox()), plan{state: held, requeueAfter: time.Hour}},
		"ends now, Delete": {
			newClaim(ending(0, deletion)), see(newSandbox()), plan{state: held, claim: remove},
		},
		"over, DeleteForeground": {
			newClaim(ending(-time.Hour, deleteForeground)), see(newSandbox()), plan{state: held, claim: removeForeground},
		},
		"over, Retain": {
			newClaim(ending(-time.Hour, retain)), see(newSandbox()), plan{state: held, expired: true, sandbox: shutDown},
		},
		"over, no policy": {
			newClaim(ending(-time.Hour, "")), see(newSandbox()), plan{state: held, expired: true, sandbox: shutDown},
		},
		"over, Retain, shut down already": {
			newClaim(ending(-time.Hour, retain)), see(newSandbox(shutDownAt(-time.Minute), byTheClaim("{}"))), plan{state: held, expired: true},
		},
		"over, Retain, the user revived the Sandbox": {
			newClaim(ending(-time.Hour, retain)), see(newSandbox(shutDownAt(time.Hour), byTheClaim("{}"))),
			plan{state: held, expired: true, sandbox: shutDown},
		},
		"over, Retain, the Sandbox is being deleted": {
			newClaim(ending(-time.Hour, retain)), see(newSandbox(sandboxDeleted)), plan{state: held, expired: true},
		},
		"over, Retain, lost":    {newClaim(ending(-time.Hour, retain)), see(), plan{state: lost, expired: true}},
		"over, Retain, waiting": {newClaim(inQueue, ending(-time.Hour, retain)), see(newPool()), plan{state: waiting, expired: true}},
		"over, Delete, waiting": {newClaim(inQueue, ending(-time.Hour, deletion)), see(newPool()), plan{state: waiting, claim: remove}},
		"over, Delete, lost":    {newClaim(ending(-time.Hour, deletion)), see(), plan{state: lost, claim: remove}},

		"extended": {
			newClaim(expired, ending(time.Hour, retain)), see(newSandbox(shutDownAt(-time.Minute), byTheClaim("{}"))),
			plan{state: held, sandbox: revive, requeueAfter: time.Hour},
		},
		"the lifetime was taken away": {
			newClaim(expired), see(newSandbox(shutDownAt(-time.Minute), byTheClaim("{}"))), plan{state: held, sandbox: revive},
		},
		"the Sandbox expired by itself": {
			newClaim(ending(time.Hour, retain)), see(newSandbox(shutDownAt(-time.Minute))), plan{state: held, requeueAfter: time.Hour},
		},
		"retained, then told to go": {
			newClaim(expired, ending(-time.Hour, deletion)), see(newSandbox(shutDownAt(-time.Minute), byTheClaim("{}"))),
			plan{state: held, claim: remove},
		},

		"deleted, somebody's finalizer": {newClaim(deletedWith("example.com/mine")), see(newSandbox()), plan{state: held}},
		"deleted, orphaning":            {newClaim(deletedWith(metav1.FinalizerOrphanDependents)), see(newSandbox()), plan{state: held}},
		"deleted, Sandbox first": {
			newClaim(deletedWith(metav1.FinalizerDeleteDependents)), see(newSandbox()), plan{state: held, sandbox: remove},
		},
		"deleted, Sandbox on its way": {
			newClaim(deletedWith(metav1.FinalizerDeleteDependents)), see(newSandbox(sandboxDeleted)), plan{state: held},
		},
		"deleted, Sandbox not its own any more": {
			newClaim(deletedWith(metav1.FinalizerDeleteDependents)), see(newSandbox(orphaned)), plan{state: held},
		},
		"deleted, Sandbox gone": {newClaim(deletedWith(metav1.FinalizerDeleteDependents)), see(), plan{state: lost}},
		"deleted, and over": {
			newClaim(deletedWith(metav1.FinalizerDeleteDependents), ending(-time.Hour, deleteForeground)), see(newSandbox()),
			plan{state: held, sandbox: remove},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, decide(test.claim, test.seen, now))
		})
	}
}

func TestTTLAfterFinished(t *testing.T) {
	tests := map[string]struct {
		claim *v1beta1.SandboxClaim
		seen  observed
		want  plan
	}{
		"not finished": {newClaim(withTTL(60, deletion)), see(newSandbox()), plan{state: held}},
		"finished lately": {
			newClaim(withTTL(60, deletion)), see(newSandbox(finishedAgo(20 * time.Second))), plan{state: held, requeueAfter: 40 * time.Second},
		},
		"finished long ago": {newClaim(withTTL(60, deletion)), see(newSandbox(finishedAgo(time.Minute))), plan{state: held, claim: remove}},
		"at once":           {newClaim(withTTL(0, deletion)), see(newSandbox(finishedAgo(0))), plan{state: held, claim: remove}},
		"Retain": {
			newClaim(withTTL(0, retain)), see(newSandbox(finishedAgo(time.Second))), plan{state: held, expired: true, sandbox: shutDown},
		},
		"no TTL": {newClaim(ending(time.Hour, deletion)), see(newSandbox(finishedAgo(time.Hour))), plan{state: held, requeueAfter: time.Hour}},
		"lost after it finished": {
			newClaim(withTTL(60, deletion), claimFinished), see(), plan{state: lost, claim: remove},
		},
		"the claim's word is not the Sandbox's": {
			newClaim(withTTL(0, deletion), claimFinished), see(newSandbox()), plan{state: held},
		},
		"the earlier end counts: TTL": {
			newClaim(ending(time.Hour, deletion), func(c *v1beta1.SandboxClaim) { c.Spec.Lifecycle.TTLSecondsAfterFinished = ptr.To[int32](60) }),
			see(newSandbox(finishedAgo(0))), plan{state: held, requeueAfter: time.Minute},
		},
		"the earlier end counts: shutdownTime": {
			newClaim(ending(time.Minute, deletion), func(c *v1beta1.SandboxClaim) { c.Spec.Lifecycle.TTLSecondsAfterFinished = ptr.To[int32](3600) }),
			see(newSandbox(finishedAgo(0))), plan{state: held, requeueAfter: time.Minute},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, decide(test.claim, test.seen, now))
		})
	}
}

// A Pod ends when its Sandbox is suspended, too. Only Finished=True of the Sandbox
// starts the TTL.
func TestFinishedFlashWhileSuspendingFiresNoTTL(t *testing.T) {
	claim := newClaim(withTTL(0, deletion))
	for name, sandbox := range map[string]*v1beta1.Sandbox{
		"suspending":        newSandbox(notReady(v1beta1.ReasonSandboxSuspended, "")),
		"Pod ended":         newSandbox(notReady(v1beta1.ReasonPodSucceeded, "")),
		"Finished is False": newSandbox(finishedAgo(time.Hour), func(s *v1beta1.Sandbox) { s.Status.Conditions[1].Status = metav1.ConditionFalse }),
		"Finished unknown":  newSandbox(finishedAgo(time.Hour), func(s *v1beta1.Sandbox) { s.Status.Conditions[1].Status = metav1.ConditionUnknown }),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, plan{state: held}, decide(claim, see(sandbox), now))
			assert.NotContains(t, conditions(statusOf(claim, see(sandbox), plan{state: held}, now)), v1beta1.ConditionFinished)
		})
	}
}

func TestSettling(t *testing.T) {
	boundAt := func(ago time.Duration) change {
		return func(c *v1beta1.SandboxClaim) { c.Status.Conditions[0].LastTransitionTime = at(-ago) }
	}
	tests := map[string]struct {
		claim *v1beta1.SandboxClaim
		state state
		want  time.Duration
	}{
		"just bound":      {newClaim(boundAt(0)), lost, settleTime},
		"bound lately":    {newClaim(boundAt(time.Second)), lost, settleTime - time.Second},
		"bound long ago":  {newClaim(boundAt(time.Minute)), lost, 0},
		"waited, served":  {newClaim(createdAt(time.Hour), boundAt(0)), lost, settleTime},
		"lost, and known": {newClaim(inQueue, boundAt(0)), lost, 0},
		"held":            {newClaim(boundAt(0)), held, 0},
		"never bound":     {newClaim(wiped), lost, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, settling(test.claim, plan{state: test.state}, now))
		})
	}
}
