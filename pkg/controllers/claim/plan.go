// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// settleTime is how much later than a claim its Sandbox may be cached without anybody
// asking for it.
const settleTime = 2 * time.Second

// state is how a claim stands to a Sandbox.
type state string

const (
	held    state = "held"
	waiting state = "waiting"
	lost    state = "lost" // it had one
)

// action is a write to one object. The zero value is none.
type action string

const (
	keep             action = ""
	remove           action = "delete"
	removeForeground action = "delete after the Sandbox"
	shutDown         action = "shut down"
	revive           action = "revive"
)

// observed is what a sync saw of the objects around a claim. It is read only.
type observed struct {
	// sandbox holds the claim's UID; nil if none does.
	sandbox *v1beta1.Sandbox
	// pool and its template are looked for only while the claim waits.
	pool     *v1beta1.SandboxWarmPool
	template *v1beta1.SandboxTemplate
}

// plan is everything that one sync will do beside the status, and what the status
// will say.
type plan struct {
	state state
	// expired: the lifetime is over, and the claim is retained.
	expired bool

	claim, sandbox action
	requeueAfter   time.Duration
}

func (p plan) writes() bool {
	return p.claim != keep || p.sandbox != keep
}

// decide says what is to be done for a claim.
func decide(claim *v1beta1.SandboxClaim, seen observed, now time.Time) plan {
	p := plan{state: stateOf(claim, seen)}
	if claim.DeletionTimestamp != nil {
		if foreground(claim) && seen.sandbox != nil {
			p.sandbox = removal(claim, seen.sandbox)
		}
		return p
	}
	end, ends := endOf(claim, seen)
	if !ends || now.Before(end) {
		p.sandbox = revival(seen.sandbox)
		if ends {
			p.requeueAfter = end.Sub(now)
		}
		return p
	}
	switch claim.Spec.Lifecycle.ShutdownPolicy {
	case v1beta1.SandboxClaimShutdownDelete:
		p.claim = remove
	case v1beta1.SandboxClaimShutdownDeleteForeground:
		p.claim = removeForeground
	default:
		p.expired = true
		p.sandbox = shutDownOf(seen.sandbox, now)
	}
	return p
}

// stateOf never calls a claim waiting that was given a Sandbox once: it would be
// given another one.
func stateOf(claim *v1beta1.SandboxClaim, seen observed) state {
	switch {
	case seen.sandbox != nil:
		return held
	case waits(claim):
		return waiting
	default:
		return lost
	}
}

// settling is how long to wait before a Sandbox that no cache has is looked for in the
// API server. The claim was bound a moment ago: the other half of what was written
// together is on its way, and comes with an event.
func settling(claim *v1beta1.SandboxClaim, p plan, now time.Time) time.Duration {
	isBound := meta.FindStatusCondition(claim.Status.Conditions, v1beta1.ConditionBound)
	if p.state != lost || isBound == nil || isBound.Status != metav1.ConditionTrue {
		return 0
	}
	return max(0, isBound.LastTransitionTime.Add(settleTime).Sub(now))
}

// endOf is when the lifetime of the claim is over.
func endOf(claim *v1beta1.SandboxClaim, seen observed) (end time.Time, ends bool) {
	lifecycle := claim.Spec.Lifecycle
	if lifecycle == nil {
		return time.Time{}, false
	}
	if lifecycle.ShutdownTime != nil {
		end, ends = lifecycle.ShutdownTime.Time, true
	}
	finished := finishedOf(claim, seen)
	if finished == nil || lifecycle.TTLSecondsAfterFinished == nil {
		return end, ends
	}
	ttl := time.Duration(*lifecycle.TTLSecondsAfterFinished) * time.Second
	if after := finished.LastTransitionTime.Add(ttl); !ends || after.Before(end) {
		end, ends = after, true
	}
	return end, ends
}

// finishedOf is the Finished=True of the Sandbox. Only the Sandbox can tell, since
// a Pod also ends when it is suspended; the claim's own word counts when the Sandbox
// is gone.
func finishedOf(claim *v1beta1.SandboxClaim, seen observed) *metav1.Condition {
	conditions := claim.Status.Conditions
	if seen.sandbox != nil {
		conditions = seen.sandbox.Status.Conditions
	}
	finished := meta.FindStatusCondition(conditions, v1beta1.ConditionFinished)
	if finished == nil || finished.Status != metav1.ConditionTrue {
		return nil
	}
	return finished
}

func removal(claim *v1beta1.SandboxClaim, sandbox *v1beta1.Sandbox) action {
	if sandbox.DeletionTimestamp != nil || !controlledBy(sandbox, claim.UID) {
		return keep
	}
	return remove
}
