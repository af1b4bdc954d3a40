// SPDX-License-Identifier: Apache-2.0

package orphan

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/types"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

const grace = 15 * time.Minute

// orphaned is a Pod whose Sandbox nobody knows.
func orphaned(name string, changes ...func(*child)) child {
	c := child{resource: pods, namespace: "team", name: name, uid: types.UID("uid-" + name), sandbox: types.UID("lost-" + name), detached: true}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func attached(c *child)  { c.detached = false }
func inOther(c *child)   { c.namespace = "other" }
func asService(c *child) { c.resource, c.uid = services, c.uid+"-service" }

func madeAt(created time.Time) func(*child) { return func(c *child) { c.created = created } }

// meanwhile adds as many children of Sandboxes that exist, made at that time.
func (o observed) meanwhile(healthy int, created time.Time) observed {
	for i := range healthy {
		uid := types.UID(fmt.Sprint("later-", i))
		o.sandboxes[uid] = true
		o.children = append(o.children, child{resource: pods, namespace: "team", name: string(uid), uid: "pod-" + uid, sandbox: uid, created: created})
	}
	return o
}

// with gives a child its Sandbox.
func (o observed) with(c child) observed {
	o.sandboxes[c.sandbox] = true
	return o
}

// among adds as many children of Sandboxes that exist.
func among(healthy int, children ...child) observed {
	seen := observed{children: children, sandboxes: map[types.UID]bool{}}
	for i := range healthy {
		uid := types.UID(fmt.Sprint("healthy-", i))
		seen.sandboxes[uid] = true
		seen.children = append(seen.children, child{resource: pods, namespace: "team", name: string(uid), uid: "pod-" + uid, sandbox: uid, detached: i%2 == 0})
	}
	return seen
}

func since(ages map[types.UID]time.Duration) memory {
	m := memory{since: map[types.UID]time.Time{}}
	for uid, age := range ages {
		m.since[uid] = now.Add(-age)
	}
	return m
}

type ages = map[types.UID]time.Duration

func TestDecide(t *testing.T) {
	a, b := orphaned("a"), orphaned("b")
	service, elsewhere := orphaned("a", asService), orphaned("a", inOther)
	elsewhere.uid = "uid-elsewhere"
	tests := map[string]struct {
		seen   observed
		before memory
		want   plan
	}{
		"nothing at all": {
			among(0), memory{}, plan{memory: since(ages{})},
		},
		"all is well, detached or not: the Sandbox exists": {
			among(8), memory{}, plan{share: share{children: 8}, memory: since(ages{})},
		},
		"a new orphan is told of, and stays": {
			among(8, a), memory{}, plan{share: share{9, 1}, noticed: []child{a}, memory: since(ages{a.uid: 0})},
		},
		"a known one stays": {
			among(8, a), since(ages{a.uid: grace - 1}),
			plan{share: share{9, 1}, memory: since(ages{a.uid: grace - 1})},
		},
		"until the grace is over": {
			among(8, a), since(ages{a.uid: grace}),
			plan{share: share{9, 1}, due: &a, memory: since(ages{a.uid: grace})},
		},
		"one at a time, the oldest first": {
			among(8, a, b), since(ages{a.uid: grace, b.uid: grace + 1}),
			plan{share: share{10, 2}, due: &b, memory: since(ages{a.uid: grace, b.uid: grace + 1})},
		},
		"of equal ones always the same": {
			among(12, elsewhere, service, a), since(ages{a.uid: grace, service.uid: grace, elsewhere.uid: grace}),
			plan{share: share{15, 3}, due: &elsewhere, memory: since(ages{a.uid: grace, service.uid: grace, elsewhere.uid: grace})},
		},
		"what has a controller is the collector's first": {
			among(8, orphaned("a", attached)), since(ages{a.uid: grace}),
			plan{share: share{9, 1}, memory: since(ages{})},
		},
		"one that was none for a while begins anew": {
			among(8, a), since(ages{b.uid: grace}),
			plan{share: share{9, 1}, noticed: []child{a}, memory: since(ages{a.uid: 0})},
		},
		"a quarter is believed": {
			among(3, a), since(ages{a.uid: grace}),
			plan{share: share{4, 1}, due: &a, memory: since(ages{a.uid: grace})},
		},
		"more than a quarter is not: the grace is forgotten": {
			among(5, a, b), since(ages{a.uid: grace, b.uid: grace}),
			plan{share: share{7, 2}, stopsFor: share{7, 2}, memory: memory{stopped: true}},
		},
		"those that the collector has yet to see count": {
			among(5, a, orphaned("b", attached)), since(ages{a.uid: grace}),
			plan{share: share{7, 2}, stopsFor: share{7, 2}, memory: memory{stopped: true}},
		},
		"a lone Pod is a wrong store": {
			among(0, a), since(ages{a.uid: grace}),
			plan{share: share{1, 1}, stopsFor: share{1, 1}, memory: memory{stopped: true}},
		},
		"after the brake the grace begins anew": {
			among(8, a), memory{stopped: true},
			plan{share: share{9, 1}, noticed: []child{a}, memory: since(ages{a.uid: 0})},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, decide(test.seen, test.before, now, grace))
		})
	}
}

// TestTheBrakeHoldsUntilSomebodyDecides: pools that refill decide nothing, and one more
// child without a Sandbox makes the others no better.
func TestTheBrakeHoldsUntilSomebodyDecides(t *testing.T) {
	lost := now.Add(-time.Hour)
	a, b := orphaned("a", madeAt(lost.Add(-time.Minute))), orphaned("b", madeAt(lost))
	tests := map[string]struct {
		seen observed
		want share
	}{
		"as it was after the loss":             {among(5, a, b), share{7, 2}},
		"pools have refilled":                  {among(5, a, b).meanwhile(100, lost.Add(time.Second)), share{7, 2}},
		"one more without a Sandbox, later":    {among(5, a, b, orphaned("c", madeAt(now))).meanwhile(100, lost.Add(time.Second)), share{7, 2}},
		"and once more too many":               {among(5, a, b, orphaned("c", madeAt(now)), orphaned("d", attached, madeAt(now))).meanwhile(3, lost.Add(time.Second)), share{12, 4}},
		"all that is left of before is lost":   {among(0, a).meanwhile(100, now), share{1, 1}},
		"the oldest of few":                    {among(0, a, b).meanwhile(100, lost.Add(-time.Second)), share{1, 1}},
		"made in the same second as the loss":  {among(5, a, b).meanwhile(1, lost), share{}},
		"somebody has deleted one":             {among(5, b).meanwhile(100, now), share{}},
		"somebody has deleted the other":       {among(5, a).meanwhile(100, now), share{}},
		"the right store has one of them":      {among(5, a, b).meanwhile(100, now).with(b), share{}},
		"few of many, though the last to come": {among(40, a, b), share{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := decide(test.seen, memory{}, now, grace)
			assert.Equal(t, test.want, p.stopsFor)
			assert.Equal(t, test.want != share{}, p.memory.stopped)
			assert.Len(t, test.seen.children, p.share.children)
		})
	}
}
