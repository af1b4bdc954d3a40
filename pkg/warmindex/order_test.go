// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/types"
)

// members are a pool's Sandboxes, made at random times within the age.
func members(random *rand.Rand, count int, age time.Duration) []Entry[string] {
	entries := make([]Entry[string], count)
	for n := range entries {
		uid := fmt.Sprintf("%016x-%016x", random.Uint64(), random.Uint64())
		entries[n] = Entry[string]{
			Key:     sandboxKey(uid),
			Pool:    blue,
			UID:     types.UID(uid),
			Created: epoch.Add(time.Duration(random.Int64N(int64(age)))),
		}
	}
	return entries
}

// order reserves everything and returns it in the order in which it was offered.
func order(replica string, entries []Entry[string]) []Entry[string] {
	index := New[string](Options{Replica: replica})
	for _, entry := range entries {
		index.Put(entry)
	}
	var offered []Entry[string]
	for r, ok := index.Reserve(blue); ok; r, ok = index.Reserve(blue) {
		offered = append(offered, r.Entry())
	}
	return offered
}

func TestWithoutAnIdentityTheOldestComesFirst(t *testing.T) {
	for random := range eachSequence(t) {
		entries := members(random, 1+random.IntN(60), 100*time.Hour)
		offered := order("", entries)
		slices.SortFunc(entries, func(a, b Entry[string]) int { return a.Created.Compare(b.Created) })
		assert.Equal(t, entries, offered)
	}
}

func TestTheOrderIsTheSameAfterARebuild(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	entries := members(random, 50, time.Second)
	for n := range entries {
		entries[n].Created = entries[n].Created.Truncate(time.Second) // as a creationTimestamp: all at the same time
	}
	first := map[string][]Entry[string]{"": order("", entries), "0": order("0", entries)}
	random.Shuffle(len(entries), func(a, b int) { entries[a], entries[b] = entries[b], entries[a] })
	for replica, before := range first {
		assert.Equal(t, before, order(replica, entries), "replica %q", replica)
	}
}

func TestNoSandboxIsPassedOverForAMuchYoungerOne(t *testing.T) {
	for random := range eachSequence(t) {
		offered := order("sandbox-apiserver-0", members(random, 60, 10*spread))
		for n, first := range offered {
			for _, passed := range offered[n+1:] {
				assert.LessOrEqual(t, first.Created.Sub(passed.Created), spread)
			}
		}
	}
}

// Replicas that all pick at the same moment meet about as often as chance makes them, 1 in the number of Sandboxes, though
// their names differ in one character only.
func TestReplicasStartAtDifferentPlaces(t *testing.T) {
	const pools, size = 2000, 20
	random := rand.New(rand.NewPCG(2, 2))
	met, firsts := 0, map[int]int{}
	for range pools {
		entries := members(random, size, time.Minute)
		a, b := order("sandbox-apiserver-0", entries)[0], order("sandbox-apiserver-1", entries)[0]
		if a.UID == b.UID {
			met++
		}
		slices.SortFunc(entries, func(a, b Entry[string]) int { return a.Created.Compare(b.Created) })
		firsts[slices.IndexFunc(entries, func(e Entry[string]) bool { return e.UID == a.UID })]++
	}
	assert.InDelta(t, pools/size, met, 50, "a replica is not where the other one is")
	assert.Len(t, firsts, size, "any Sandbox may be the first")
}
