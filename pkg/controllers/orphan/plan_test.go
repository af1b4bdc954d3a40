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
			among(8), memory{}, plan{children: 8, memory: since(ages{})},
		},
		"a new orphan is told of, and stays": {
			among(8, a), memory{}, plan{children: 9, missing: 1, noticed: []child{a}, memory: since(ages{a.uid: 0})},
		},
		"a known one stays": {
			among(8, a), since(ages{a.uid: grace - 1}),
			plan{children: 9, missing: 1, memory: since(ages{a.uid: grace - 1})},
		},
		"until the grace is over": {
			among(8, a), since(ages{a.uid: grace}),
			plan{children: 9, missing: 1, due: &a, memory: since(ages{a.uid: grace})},
		},
		"one at a time, the oldest first": {
			among(8, a, b), since(ages{a.uid: grace, b.uid: grace + 1}),
			plan{children: 10, missing: 2, due: &b, memory: since(ages{a.uid: grace, b.uid: grace + 1})},
		},
		"of equal ones always the same": {
			among(12, elsewhere, service, a), since(ages{a.uid: grace, service.uid: grace, elsewhere.uid: grace}),
			plan{children: 15, missing: 3, due: &elsewhere, memory: since(ages{a.uid: grace, service.uid: grace, elsewhere.uid: grace})},
		},
		"what has a controller is the collector's first": {
			among(8, orphaned("a", attached)), since(ages{a.uid: grace}),
			plan{children: 9, missing: 1, memory: since(ages{})},
		},
		"one that was none for a while begins anew": {
			among(8, a), since(ages{b.uid: grace}),
			plan{children: 9, missing: 1, noticed: []child{a}, memory: since(ages{a.uid: 0})},
		},
		"a quarter is believed": {
			among(3, a), since(ages{a.uid: grace}),
			plan{children: 4, missing: 1, due: &a, memory: since(ages{a.uid: grace})},
		},
		"more than a quarter is not: the grace is forgotten": {
			among(5, a, b), since(ages{a.uid: grace, b.uid: grace}),
			plan{children: 7, missing: 2, memory: memory{stopped: true}},
		},
		"those that the collector has yet to see count": {
			among(5, a, orphaned("b", attached)), since(ages{a.uid: grace}),
			plan{children: 7, missing: 2, memory: memory{stopped: true}},
		},
		"a lone Pod is a wrong store": {
			among(0, a), since(ages{a.uid: grace}),
			plan{children: 1, missing: 1, memory: memory{stopped: true}},
		},
		"after the brake the grace begins anew": {
			among(8, a), memory{stopped: true},
			plan{children: 9, missing: 1, noticed: []child{a}, memory: since(ages{a.uid: 0})},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, decide(test.seen, test.before, now, grace))
		})
	}
}
