// SPDX-License-Identifier: Apache-2.0

package orphan

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// brakeShare is the part of the children that may be without a Sandbox: one in so many.
const brakeShare = 4

// Kinds of children. The values are part of the metric.
const (
	pods     = "pods"
	services = "services"
)

// child is what a sweep looks at of a Pod or an own Service that is not being deleted.
type child struct {
	resource        string
	namespace, name string
	uid             types.UID
	// sandbox is the UID of the Sandbox that it was made for.
	sandbox types.UID
	// detached: it has no controller any more.
	detached bool
	created  time.Time
}

// observed is what a sweep saw in the caches.
type observed struct {
	children []child
	// sandboxes has the UIDs of those that exist.
	sandboxes map[types.UID]bool
}

// memory is what a sweep leaves to the next one.
type memory struct {
	// since is when each orphan was first seen, by its UID. It is never changed.
	since map[types.UID]time.Time
	// stopped: the last sweep met too many.
	stopped bool
}

// share counts children, and what of them is without a Sandbox.
type share struct {
	children, missing int
}

func (s share) tooLarge() bool { return s.missing*brakeShare > s.children }

// plan is what comes of a sweep.
type plan struct {
	// share of all children, and, if the sweep stops, the one that it stops for.
	share    share
	stopsFor share
	// noticed are the orphans of which nobody was told yet.
	noticed []child
	// due is the orphan to delete now; nil for none.
	due *child
	// memory for the next sweep.
	memory memory
}

// decide says what is to be done about the orphans among what was seen.
func decide(seen observed, before memory, now time.Time, grace time.Duration) plan {
	p := plan{share: share{children: len(seen.children)}}
	var orphans []child
	for _, c := range seen.children {
		if seen.sandboxes[c.sandbox] {
			continue
		}
		p.share.missing++
		if c.detached {
			orphans = append(orphans, c)
		}
	}
	if p.stopsFor = seen.stopsFor(); p.stopsFor.tooLarge() {
		p.memory.stopped = true
		return p
	}
	p.memory.since = map[types.UID]time.Time{}
	for _, orphan := range orphans {
		first, known := before.since[orphan.uid]
		if !known {
			first = now
			p.noticed = append(p.noticed, orphan)
		}
		p.memory.since[orphan.uid] = first
	}
	p.due = earliest(orphans, p.memory.since, now.Add(-grace))
	return p
}

// stopsFor is the share, among the children made until some moment, that is too large; of
// several that of the last moment, and none if there is none. The moment makes a share
// that can only be changed by what becomes of those children: the ones that are made
// later, with a Sandbox or without, change it for later moments alone.
func (o observed) stopsFor() share {
	byAge := slices.Clone(o.children)
	slices.SortFunc(byAge, func(a, b child) int { return a.created.Compare(b.created) })
	var soFar, found share
	for i, c := range byAge {
		soFar.children++
		if !o.sandboxes[c.sandbox] {
			soFar.missing++
		}
		// Creation times are of whole seconds: what has the same one counts together.
		if last := i+1 == len(byAge) || byAge[i+1].created.After(c.created); last && soFar.tooLarge() {
			found = soFar
		}
	}
	return found
}

// earliest is the orphan that was seen first, among those seen no later than until.
func earliest(orphans []child, since map[types.UID]time.Time, until time.Time) *child {
	var due []child
	for _, orphan := range orphans {
		if !since[orphan.uid].After(until) {
			due = append(due, orphan)
		}
	}
	if len(due) == 0 {
		return nil
	}
	first := slices.MinFunc(due, func(a, b child) int {
		return cmp.Or(since[a.uid].Compare(since[b.uid]),
			cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name), cmp.Compare(a.resource, b.resource))
	})
	return &first
}

// without forgets an orphan, so that it is looked at anew.
func (m memory) without(orphan child) memory {
	since := maps.Clone(m.since)
	delete(since, orphan.uid)
	return memory{since: since, stopped: m.stopped}
}
