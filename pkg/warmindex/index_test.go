// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
)

var (
	blue  = Key{Namespace: "default", Name: "blue"}
	green = Key{Namespace: "default", Name: "green"}
	epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func sandboxKey(name string) Key { return Key{Namespace: "default", Name: name} }

// entry is a Sandbox of pool blue, created as many minutes after the epoch as its revision.
func entry(name string, revision uint64) Entry[string] {
	return Entry[string]{
		Key:      sandboxKey(name),
		Pool:     blue,
		UID:      types.UID(name),
		Revision: revision,
		Created:  epoch.Add(time.Duration(revision) * time.Minute),
		Payload:  fmt.Sprint(name, "@", revision),
	}
}

func filled(names ...string) *Index[string] {
	index := New[string](Options{})
	for n, name := range names {
		index.Put(entry(name, uint64(n+1)))
	}
	return index
}

func mustReserve(t *testing.T, index *Index[string]) Reservation[string] {
	t.Helper()
	r, ok := index.Reserve(blue)
	require.True(t, ok)
	return r
}

// drain reserves all that is left and returns the payloads in order.
func drain(index *Index[string], pool Key) []string {
	var payloads []string
	for r, ok := index.Reserve(pool); ok; r, ok = index.Reserve(pool) {
		payloads = append(payloads, r.Entry().Payload)
	}
	return payloads
}

func TestReserveTakesTheOldestAndOffersNoneTwice(t *testing.T) {
	index := New[string](Options{})
	for _, revision := range []uint64{3, 1, 2} {
		index.Put(entry("a", revision*10)) // a moves; only the last word counts
		index.Put(entry(fmt.Sprint("s", revision), revision))
	}
	assert.Equal(t, 4, index.Len(blue))
	assert.Equal(t, []string{"s1@1", "s2@2", "s3@3", "a@20"}, drain(index, blue))
	assert.Zero(t, index.Len(blue))
	_, ok := index.Reserve(green)
	assert.False(t, ok, "another pool has none")
}

// Each case is what happens to the one Sandbox "a", first seen available at revision 5, once it is reserved.
func TestEndsOfAReservation(t *testing.T) {
	put := func(revision uint64) func(*Index[string]) {
		return func(i *Index[string]) { i.Put(entry("a", revision)) }
	}
	remove := func(revision uint64) func(*Index[string]) {
		return func(i *Index[string]) { i.Remove(sandboxKey("a"), revision) }
	}
	gone := func(i *Index[string]) { i.Delete(sandboxKey("a")) }
	confirm := func(r Reservation[string]) { r.Confirm(8) }
	release := func(r Reservation[string]) { r.Release() }
	lost := func(r Reservation[string]) { r.Lost() }

	type events []func(*Index[string])
	tests := map[string]struct {
		before  events // between Reserve and its end
		end     func(Reservation[string])
		after   events
		offered string // what is offered in the end
		known   bool   // whether anything is remembered of the Sandbox
	}{
		"released":                                 {end: release, offered: "a@5", known: true},
		"released, changed meanwhile":              {before: events{put(7)}, end: release, offered: "a@7", known: true},
		"released, claimed meanwhile":              {before: events{remove(7)}, end: release},
		"released, deleted meanwhile":              {before: events{gone}, end: release},
		"released, deleted and back":               {before: events{gone, put(9)}, end: release, offered: "a@9", known: true},
		"released, then gone":                      {end: release, after: events{gone}},
		"confirmed, watch silent":                  {end: confirm, known: true},
		"confirmed, watch late":                    {end: confirm, after: events{put(5), put(7)}, known: true},
		"confirmed, judged anew at an old state":   {end: confirm, after: events{remove(5), put(5)}, known: true},
		"confirmed, watch shows the commit":        {end: confirm, after: events{put(7), remove(8)}},
		"confirmed, watch shows a later state":     {end: confirm, after: events{remove(12)}},
		"confirmed, watch skips to the deletion":   {end: confirm, after: events{gone}},
		"confirmed, watch was first":               {before: events{remove(8)}, end: confirm},
		"confirmed, watch was first by far":        {before: events{remove(8), gone}, end: confirm},
		"confirmed, given back":                    {end: confirm, after: events{remove(8), put(11)}, offered: "a@11", known: true},
		"confirmed, given back at once":            {end: confirm, after: events{put(8)}, offered: "a@8", known: true},
		"confirmed, gone, another of its name":     {end: confirm, after: events{put(11)}, offered: "a@11", known: true},
		"confirmed late, gone, another there":      {before: events{remove(8), gone, put(11)}, end: confirm, offered: "a@11", known: true},
		"confirmed without a revision, watch late": {end: func(r Reservation[string]) { r.Confirm(0) }, after: events{put(5)}, known: true},
		"lost, watch silent":                       {end: lost, known: true},
		"lost, same state again":                   {end: lost, after: events{put(5)}, known: true},
		"lost to a status update":                  {end: lost, after: events{put(6)}, offered: "a@6", known: true},
		"lost to a claim":                          {end: lost, after: events{remove(6)}},
		"lost, the news was there already":         {before: events{put(6)}, end: lost, offered: "a@6", known: true},
		"lost, deleted":                            {end: lost, after: events{gone}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			index := New[string](Options{})
			index.Put(entry("a", 5))
			r := mustReserve(t, index)
			assert.Equal(t, entry("a", 5), r.Entry())
			for _, event := range test.before {
				event(index)
				assert.Empty(t, drain(index, blue), "reserved")
			}

			test.end(r)
			for _, event := range test.after {
				event(index)
			}

			assert.Zero(t, index.Stats().Reserved)
			assert.Equal(t, test.known, index.slots[sandboxKey("a")] != nil)
			if test.offered == "" {
				assert.Empty(t, drain(index, blue))
				return
			}
			assert.Equal(t, []string{test.offered}, drain(index, blue))
		})
	}
}

func TestOnlyTheFirstEndCounts(t *testing.T) {
	ends := map[result]func(Reservation[string]){
		confirmed: func(r Reservation[string]) { r.Confirm(9) },
		released:  Reservation[string].Release,
		lost:      Reservation[string].Lost,
	}
	for first, end := range ends {
		t.Run(string(first), func(t *testing.T) {
			index := filled("a", "b")
			r, again := mustReserve(t, index), Reservation[string]{}
			end(r)
			if first == released {
				again = mustReserve(t, index) // the same Sandbox, held by somebody else now
			}
			for _, late := range ends {
				late(r)
			}
			stats := index.Stats()
			assert.Equal(t, map[result]uint64{first: 1}, stats.ended)
			assert.Equal(t, []string{"b@2"}, drain(index, blue), "a late end does not touch what others hold")
			again.Release()
		})
	}
	t.Run("zero value", func(*testing.T) {
		for _, end := range ends {
			end(Reservation[string]{})
		}
	})
}

func TestReserveNamed(t *testing.T) {
	index := filled("a", "b", "c")
	r, ok := index.ReserveNamed(sandboxKey("b"))
	require.True(t, ok)
	assert.Equal(t, "b@2", r.Entry().Payload)

	_, ok = index.ReserveNamed(sandboxKey("b"))
	assert.False(t, ok, "reserved")
	_, ok = index.ReserveNamed(sandboxKey("unknown"))
	assert.False(t, ok)
	assert.Equal(t, []string{"a@1", "c@3"}, drain(index, blue), "the others keep their order")

	r.Release()
	index.SetWaiting(blue, 1)
	_, ok = index.ReserveNamed(sandboxKey("b"))
	assert.False(t, ok, "set aside for a waiting claim")
}

func TestASandboxThatChangesPools(t *testing.T) {
	index := filled("a", "b")
	moved := entry("a", 7)
	moved.Pool = green
	index.Put(moved)
	assert.Equal(t, map[Key]int{blue: 1, green: 1}, index.Stats().Available)
	assert.Equal(t, []string{"a@7"}, drain(index, green))
	assert.Equal(t, []string{"b@2"}, drain(index, blue))
}

func TestWaitingClaimsComeFirst(t *testing.T) {
	index := filled("a", "b", "c")
	index.SetWaiting(blue, 2)
	assert.Equal(t, 2, index.Waiting(blue))
	assert.Equal(t, 3, index.Len(blue))

	r := mustReserve(t, index)
	_, ok := index.Reserve(blue)
	assert.False(t, ok, "two are set aside")
	r.Release()

	r, ok = index.ReserveForWaiting(blue)
	require.True(t, ok)
	assert.Equal(t, "a@1", r.Entry().Payload)
	r.Confirm(9)
	_, ok = index.Reserve(blue)
	assert.False(t, ok, "until the watch shows that a claim waits no more")
	index.SetWaiting(blue, 1)
	r = mustReserve(t, index)
	assert.Equal(t, "b@2", r.Entry().Payload)

	index.SetWaiting(blue, 0)
	assert.Equal(t, []string{"c@3"}, drain(index, blue))
	_, ok = index.ReserveForWaiting(blue)
	assert.False(t, ok, "empty")
	_, ok = index.ReserveForWaiting(green)
	assert.False(t, ok, "unknown")
	assert.Zero(t, index.Waiting(green))
}

func TestServeIsCalledWhenAWaitingClaimCanBeServed(t *testing.T) {
	var calls []Key
	index := New[string](Options{Serve: func(pool Key) { calls = append(calls, pool) }})
	called := func() int {
		defer func() { calls = nil }()
		return len(calls)
	}
	index.Put(entry("a", 1))
	assert.Zero(t, called(), "nobody waits")
	index.SetWaiting(green, 1)
	assert.Zero(t, called(), "nothing is available")

	index.SetWaiting(blue, 1)
	assert.Equal(t, []Key{blue}, calls, "the claim came after the Sandbox")
	called()

	r, ok := index.ReserveForWaiting(blue)
	require.True(t, ok)
	r.Release()
	assert.Zero(t, called(), "whoever serves the waiting knows, and must not be driven round in a loop")

	index.SetWaiting(blue, 0)
	r = mustReserve(t, index)
	index.SetWaiting(blue, 1)
	assert.Zero(t, called(), "reserved")
	r.Release()
	assert.Equal(t, 1, called(), "a newcomer gave it back")

	index.Remove(sandboxKey("a"), 2)
	assert.Zero(t, called())
	index.Put(entry("a", 3))
	assert.Equal(t, 1, called(), "the Sandbox came after the claim")
}

func TestNothingIsRememberedOfWhatIsGone(t *testing.T) {
	index := filled("a", "b")
	index.Track(blue)
	index.SetWaiting(green, 1)
	mustReserve(t, index).Confirm(9)
	mustReserve(t, index).Lost()
	assert.Equal(t, map[Key]int{blue: 0}, index.Stats().Available, "a tracked pool is reported while it is empty")

	for _, name := range []string{"a", "b", "never there"} {
		index.Remove(sandboxKey(name), 9)
		index.Delete(sandboxKey(name))
	}
	index.SetWaiting(green, 0)
	index.Untrack(blue)
	assert.Empty(t, index.slots)
	assert.Empty(t, index.pools)
}
