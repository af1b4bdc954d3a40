// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"maps"
	"slices"
)

// replay goes through the writes, one revision after the other, and holds what exists.
type replay struct {
	Record
	// sandboxes and claims that exist, by UID.
	sandboxes map[string]Sandbox
	claims    map[string]Claim
	// holds is the UID of the Sandbox that a claim was ever seen to hold.
	holds map[string]string
	// drawn is the pool that a Sandbox had been in when a claim took it.
	drawn map[string]string
	// members counts those of each pool.
	members map[string]int
	found   []string
}

func newReplay(r Record) *replay {
	return &replay{
		Record: r, sandboxes: map[string]Sandbox{}, claims: map[string]Claim{},
		holds: map[string]string{}, drawn: map[string]string{}, members: map[string]int{},
	}
}

func (r *replay) violation(format string, args ...any) {
	r.found = append(r.found, fmt.Sprintf(format, args...))
}

// run returns what is wrong with the writes themselves.
func (r *replay) run() []string {
	for rest := r.Writes; len(rest) > 0; {
		revision := rest[0].Revision
		together := rest[:1]
		for len(together) < len(rest) && rest[len(together)].Revision == revision {
			together = rest[:len(together)+1]
		}
		rest = rest[len(together):]
		r.transaction(together)
	}
	return r.found
}

// transaction applies all writes of one revision, and looks then.
func (r *replay) transaction(writes []Write) {
	var bound []Write
	for _, w := range writes {
		var binds bool
		if w.Sandbox != nil {
			binds = r.sandbox(w)
		} else {
			binds = r.claim(w)
		}
		if binds {
			bound = append(bound, w)
		}
	}
	for _, w := range bound {
		r.written(w)
	}
	r.count(writes[0].Revision)
}

// sandbox applies a write and says whether a claim has just taken the Sandbox.
func (r *replay) sandbox(w Write) (binds bool) {
	now := *w.Sandbox
	before, existed := r.sandboxes[now.UID]
	if existed && before.Claim != "" && before.Claim != now.Claim {
		r.violation("revision %d: Sandbox %s went from claim %s to %q", w.Revision, now.Name, before.Claim, now.Claim)
	}
	if (w.Gone || now.Ending) && !before.Ending {
		r.taken(w, now)
	}
	if before.member() {
		r.members[before.Pool]--
	}
	if w.Gone {
		delete(r.sandboxes, now.UID)
		return false
	}
	r.sandboxes[now.UID] = now
	if now.member() {
		r.members[now.Pool]++
	}
	if now.Claim == "" || before.Claim == now.Claim {
		return false
	}
	if existed && !before.free() {
		r.violation("revision %d: Sandbox %s was claimed when it was not available: %+v", w.Revision, now.Name, before)
	}
	if other, twice := r.holds[now.Claim]; twice && other != now.UID {
		r.violation("revision %d: claim %s holds Sandbox %s (%s) and had Sandbox %s", w.Revision, now.Claim, now.Name, now.UID, other)
	}
	r.holds[now.Claim] = now.UID
	if before.Pool != "" {
		r.drawn[now.UID] = before.Pool
	}
	return true
}

// taken is for a Sandbox that goes: its claim must go too, or have been asked to.
func (r *replay) taken(w Write, gone Sandbox) {
	claim, exists := r.claims[gone.Claim]
	if asked, ok := r.Deletions[gone.Claim]; exists && (!ok || asked.After(w.Seen)) {
		r.violation("revision %d: Sandbox %s was deleted under claim %s", w.Revision, gone.Name, claim.Name)
	}
}

// claim applies a write and says whether the claim has just been given a Sandbox.
func (r *replay) claim(w Write) (binds bool) {
	now := *w.Claim
	before := r.claims[now.UID]
	if w.Gone {
		delete(r.claims, now.UID)
		if asked, ok := r.Deletions[now.UID]; !ok || asked.After(w.Seen) {
			r.violation("revision %d: claim %s (%s) went without having been deleted", w.Revision, now.Name, now.UID)
		}
		return false
	}
	if before.Sandbox != "" && before.Sandbox != now.Sandbox {
		r.violation("revision %d: claim %s went from Sandbox %s to %q", w.Revision, now.Name, before.Sandbox, now.Sandbox)
	}
	r.claims[now.UID] = now
	return before.Sandbox == "" && now.Sandbox != ""
}

// written looks, after all of a transaction has been applied, whether both sides of what
// it bound name each other.
func (r *replay) written(w Write) {
	if w.Sandbox != nil {
		claim, exists := r.claims[w.Sandbox.Claim]
		if !exists || claim.Sandbox != w.Sandbox.Name {
			r.violation("revision %d: Sandbox %s is held by claim %s, which is %+v", w.Revision, w.Sandbox.Name, w.Sandbox.Claim, claim)
		}
		if pool, drawn := r.drawn[w.Sandbox.UID]; drawn && pool != claim.Pool {
			r.violation("revision %d: Sandbox %s was drawn from pool %s for claim %s of pool %s", w.Revision, w.Sandbox.Name, pool, claim.Name, claim.Pool)
		}
		return
	}
	held, exists := r.sandboxes[r.holds[w.Claim.UID]]
	if !exists || held.Name != w.Claim.Sandbox || held.Claim != w.Claim.UID {
		r.violation("revision %d: claim %s has Sandbox %s, what holds it is %+v", w.Revision, w.Claim.Name, w.Claim.Sandbox, held)
	}
}

func (r *replay) count(revision int64) {
	for _, pool := range slices.Sorted(maps.Keys(r.members)) {
		if has, want := r.members[pool], r.Replicas[pool]; has > want {
			r.violation("revision %d: pool %s has %d members, asked were %d", revision, pool, has, want)
		}
	}
}

// atRest returns what is wrong with the end of the history, after run.
func (r *replay) atRest() []string {
	r.found = nil
	for _, uid := range slices.Sorted(maps.Keys(r.sandboxes)) {
		sandbox := r.sandboxes[uid]
		if _, exists := r.claims[sandbox.Claim]; sandbox.Claim != "" && !exists {
			r.violation("at rest: Sandbox %s has leaked, its claim %s is gone", sandbox.Name, sandbox.Claim)
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(r.claims)) {
		claim := r.claims[uid]
		if held, exists := r.sandboxes[r.holds[uid]]; !exists || held.Ending {
			r.violation("at rest: claim %s has no Sandbox, its status says %q", claim.Name, claim.Sandbox)
		}
	}
	return r.found
}
