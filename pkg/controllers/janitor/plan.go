// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// brakeShare is the part of all namespaces that have objects of ours which may be dead:
// one in so many.
const brakeShare = 4

// object is what a check looks at of an object of ours.
type object struct {
	resource        string
	namespace, name string
	uid             types.UID
	created         time.Time
	// deleted: it is on its way, and waits for a finalizer.
	deleted bool
}

// place is a namespace as the cluster has it; the zero value is none.
type place struct {
	uid     types.UID
	created time.Time
}

// suspicion is that a namespace has died.
type suspicion struct {
	// successor is the namespace that has the name now; empty without one.
	successor types.UID
	since     time.Time
}

// memory is what a check leaves to the next one. It is never changed.
type memory struct {
	// dead has the suspicions by the name of the namespace.
	dead map[string]suspicion
	// stopped: the last check met too many.
	stopped bool
}

// plan is what comes of a check.
type plan struct {
	// due are the objects to delete, in the order of what was seen, at most maxDeletes.
	due []object
	// noticed are the names of the namespaces that look dead for the first time.
	noticed []string
	// namespaces and dead count those that objects of ours name, and what of them is dead.
	namespaces, dead int
	memory           memory
}

// decide says which of the objects, given in the order in which they are to go, are
// left over from a namespace that is dead.
func (t timing) decide(objects []object, places map[string]place, before memory, now time.Time) plan {
	all, dead := map[string]bool{}, map[string]suspicion{}
	var left []object
	for _, o := range objects {
		all[o.namespace] = true
		here := places[o.namespace]
		if !t.leftOver(o, here) {
			continue
		}
		left = append(left, o)
		dead[o.namespace] = suspicion{successor: here.uid, since: now}
	}
	p := plan{namespaces: len(all), dead: len(dead), memory: memory{dead: dead}}
	if p.dead*brakeShare > p.namespaces {
		p.memory = memory{stopped: true}
		return p
	}
	for name, found := range dead {
		if earlier, known := before.dead[name]; known && earlier.successor == found.successor {
			dead[name] = earlier
		} else {
			p.noticed = append(p.noticed, name)
		}
	}
	slices.Sort(p.noticed)
	for _, o := range left {
		if !o.deleted && now.Sub(dead[o.namespace].since) >= t.patience && len(p.due) < maxDeletes {
			p.due = append(p.due, o)
		}
	}
	return p
}

// timing is when something is believed.
type timing struct {
	patience, skew time.Duration
}

// leftOver says whether an object cannot be of the namespace that has the name now.
func (t timing) leftOver(o object, here place) bool {
	return here.uid == "" || here.created.Sub(o.created) > t.skew
}
