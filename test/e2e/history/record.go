// SPDX-License-Identifier: Apache-2.0

package history

import "time"

// Record is all that happened in one namespace.
type Record struct {
	// Writes in the order of their revisions; two of one revision were one transaction.
	Writes []Write
	// Calls in any order.
	Calls []Call
	// Deletions that clients asked for, by the UID of the claim: when the first call began.
	Deletions map[string]time.Time
	// Replicas that each pool has, by its name. They do not change.
	Replicas map[string]int
}

// Write is one put or delete of a Sandbox or a claim; the other is nil.
type Write struct {
	Revision int64
	// Seen is when the watch showed it, some time after it was made.
	Seen time.Time
	// Gone says that this was the end of the object; its last state is given.
	Gone    bool
	Sandbox *Sandbox
	Claim   *Claim
}

// Sandbox is what one write left of a Sandbox.
type Sandbox struct {
	Name, UID string
	// Pool is the name of the pool that controls it, empty if none does.
	Pool string
	// Claim is the UID of the claim that holds it, empty if none does.
	Claim string
	// Ready says that a claim may draw it, unless one holds it or it is Ending.
	Ready  bool
	Ending bool
}

func (s *Sandbox) free() bool { return s.Pool != "" && s.Claim == "" && s.Ready && !s.Ending }

func (s *Sandbox) member() bool { return s.Pool != "" && s.Claim == "" && !s.Ending }

// Claim is what one write left of a claim.
type Claim struct {
	Name, UID string
	Pool      string
	// Sandbox is the name of the one that it holds, empty while it waits.
	Sandbox string
}

// Door is how a claim was made.
type Door string

// The three doors.
const (
	ClaimsDoor    Door = "sandboxclaims"
	PoolDoor      Door = "sandboxwarmpools/claim"
	SandboxesDoor Door = "sandboxes/claim"
)

// Outcome is what a client knows after a call.
type Outcome string

// What a client may know: that it has been done, that it has been refused, nothing.
const (
	Acknowledged Outcome = "acknowledged"
	Refused      Outcome = "refused"
	Unknown      Outcome = "unknown"
)

// Call is one request for a claim, as its client saw it.
type Call struct {
	Door       Door
	Begin, End time.Time
	// Claim is the name that was asked for, Pool where, Sandbox the very one that was
	// wanted, if one was.
	Claim, Pool, Sandbox string
	// OtherSpec says that a claim of that name had been acknowledged with another spec
	// and not been deleted: 409 is the only right answer.
	OtherSpec bool

	Outcome Outcome
	// Code is the HTTP status of an answer that was none, Message what came with it.
	Code    int
	Message string
	// Answer is what was acknowledged.
	Answer Answer
}

// Answer is a claim as a client got it.
type Answer struct {
	UID      string
	Revision int64
	// Sandbox is empty if the claim waits.
	Sandbox string
}

// Check returns everything that must not have happened, nothing if all is well. The
// record must reach to a moment at which everything has come to rest.
func (r Record) Check() []string {
	replay := newReplay(r)
	found := replay.run()
	found = append(found, replay.atRest()...)
	found = append(found, r.checkAnswers()...)
	found = append(found, r.checkOrigins()...)
	return append(found, r.checkRefusals()...)
}
