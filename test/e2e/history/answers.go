// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"slices"
	"time"
)

// checkAnswers returns what is wrong with what clients were told.
func (r Record) checkAnswers() []string {
	type version struct {
		uid      string
		revision int64
	}
	stored, gone := map[version]Claim{}, map[string]time.Time{}
	for _, w := range r.Writes {
		switch {
		case w.Claim == nil:
		case w.Gone:
			gone[w.Claim.UID] = w.Seen
		default:
			stored[version{w.Claim.UID, w.Revision}] = *w.Claim
		}
	}
	var found []string
	for _, call := range r.Calls {
		if call.Outcome != Acknowledged {
			continue
		}
		answer := call.Answer
		claim, exists := stored[version{answer.UID, answer.Revision}]
		switch end, ended := gone[answer.UID]; {
		case !exists:
			found = append(found, fmt.Sprintf("%s: the answer %+v was never stored", call, answer))
		case claim.Name != call.Claim || claim.Pool != call.Pool || claim.Sandbox != answer.Sandbox:
			found = append(found, fmt.Sprintf("%s: the answer %+v is not what was stored, %+v", call, answer, claim))
		case ended && end.Before(call.Begin):
			found = append(found, fmt.Sprintf("%s: the answer is claim %s, which had gone %v before the call", call, answer.UID, call.Begin.Sub(end)))
		case call.OtherSpec:
			found = append(found, fmt.Sprintf("%s: a claim of that name had another spec, and the answer is no conflict", call))
		}
	}
	return found
}

// late is more than a call that was cut off may go on at the server.
const late = 30 * time.Second

// checkOrigins returns the claims that nobody can have made.
func (r Record) checkOrigins() []string {
	calls := map[string][]Call{}
	for _, call := range r.Calls {
		calls[call.Claim] = append(calls[call.Claim], call)
	}
	var found []string
	seen := map[string]bool{}
	for _, w := range r.Writes {
		if w.Claim == nil || seen[w.Claim.UID] {
			continue
		}
		seen[w.Claim.UID] = true
		mayHaveMade := func(call Call) bool {
			return call.Outcome == Acknowledged && call.Answer.UID == w.Claim.UID ||
				call.Outcome == Unknown && call.Begin.Before(w.Seen) && w.Seen.Before(call.End.Add(late))
		}
		if !slices.ContainsFunc(calls[w.Claim.Name], mayHaveMade) {
			found = append(found, fmt.Sprintf("revision %d: nobody has made claim %s (%s)", w.Revision, w.Claim.Name, w.Claim.UID))
		}
	}
	return found
}

// String names the call in a violation.
func (c Call) String() string {
	return fmt.Sprintf("%s claim %s of pool %s at %s", c.Door, c.Claim, c.Pool, c.Begin.Format("15:04:05.000"))
}
