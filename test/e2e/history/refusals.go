// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// margin is more than the watch, or a replica, is ever behind etcd.
const margin = 2 * time.Second

// checkRefusals returns the refusals that nothing explains.
func (r Record) checkRefusals() []string {
	known := r.availability()
	var found []string
	for _, call := range r.Calls {
		if call.Outcome != Refused {
			continue
		}
		if why := known.dishonest(call); why != "" {
			found = append(found, fmt.Sprintf("%s: refused with %d (%s), but %s", call, call.Code, call.Message, why))
		}
	}
	return found
}

// availability is what was free when, and what else may have laid a hand on it.
type availability struct {
	// lives of claims by their names; by pool what was free, who waited, who called.
	lives, free, waiting *periods
	calls                map[string][]period
}

func (r Record) availability() availability {
	a := availability{lives: newPeriods(), free: newPeriods(), waiting: newPeriods(), calls: map[string][]period{}}
	for _, call := range r.Calls {
		a.calls[call.Pool] = append(a.calls[call.Pool], call.period())
	}
	for _, w := range r.Writes {
		if s := w.Sandbox; s != nil {
			if s.free() && !w.Gone {
				a.free.begin(s.Pool, s.UID, s.Name, w.Seen)
			} else {
				a.free.end(s.UID, w.Seen)
			}
			continue
		}
		c := w.Claim
		a.lives.begin(c.Name, c.UID, c.Name, w.Seen)
		a.waiting.begin(c.Pool, c.UID, c.Name, w.Seen)
		if w.Gone {
			a.lives.end(c.UID, w.Seen)
		}
		if w.Gone || c.Sandbox != "" {
			a.waiting.end(c.UID, w.Seen)
		}
	}
	return a
}

func (c Call) period() period { return period{c.Claim, c.Begin, c.End} }

// dishonest says why a refusal cannot be right, "" if it can.
func (a availability) dishonest(call Call) string {
	around := call.period().wider()
	named := slices.ContainsFunc(a.lives.of(call.Claim), around.meets)
	switch {
	case call.Code == http.StatusConflict && named && (call.Door == ClaimsDoor || call.OtherSpec):
		return ""
	case call.Code == http.StatusConflict && call.Door == SandboxesDoor:
	case call.Code == http.StatusTooManyRequests:
	default:
		return "there was no reason to"
	}
	free, rivals := a.freeFor(call), a.rivals(call)
	if free <= rivals {
		return ""
	}
	return fmt.Sprintf("%d Sandboxes were free that %d others at most may have wanted", free, rivals)
}

// freeFor counts what was free from long before the call until long after it.
func (a availability) freeFor(call Call) int {
	around, free := call.period().wider(), 0
	for _, p := range a.free.of(call.Pool) {
		if p.covers(around) && (call.Sandbox == "" || call.Sandbox == p.thing) {
			free++
		}
	}
	return free
}

// rivals counts who may have reserved something then, or may have had it set aside.
func (a availability) rivals(call Call) int {
	around, rivals := call.period().wider(), 0
	for _, p := range slices.Concat(a.calls[call.Pool], a.waiting.of(call.Pool)) {
		if p.wider().meets(around) {
			rivals++
		}
	}
	return rivals - 1 // the call itself
}
