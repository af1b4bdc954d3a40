// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/util/sets"
)

// Claims on many goroutines, while the watch speaks of every Sandbox, hold each Sandbox one at a time, and in the end
// every reservation has ended.
func TestConcurrentClaims(t *testing.T) {
	const sandboxes, claimers, rounds = 20, 8, 2000
	serves := atomic.Int64{}
	index := New[string](Options{Replica: "0", Serve: func(Key) { serves.Add(1) }})
	var revision atomic.Uint64
	holders := map[Key]*atomic.Int32{}
	for n := range sandboxes {
		key := sandboxKey(fmt.Sprint("s", n))
		holders[key] = &atomic.Int32{}
		index.Put(entry(key.Name, revision.Add(1)))
	}

	var running sync.WaitGroup
	for n := range uint64(claimers) {
		running.Go(func() {
			random := rand.New(rand.NewPCG(n, 3))
			for range rounds {
				r, ok := reserveAny(index, random)
				if !ok {
					continue
				}
				holder := holders[r.Entry().Key]
				assert.EqualValues(t, 1, holder.Add(1), "held by two")
				holder.Add(-1)
				endAny(r, random, revision.Add(1))
			}
		})
	}
	running.Go(func() {
		random := rand.New(rand.NewPCG(0, 4))
		for n := range claimers * rounds {
			name := fmt.Sprint("s", random.IntN(sandboxes))
			switch random.IntN(8) {
			case 0:
				index.Remove(sandboxKey(name), revision.Add(1))
			case 1:
				index.Delete(sandboxKey(name))
			case 2:
				index.SetWaiting(blue, n%3)
			case 3:
				_ = index.Stats()
			default:
				index.Put(entry(name, revision.Add(1)))
			}
		}
	})
	running.Wait()

	index.SetWaiting(blue, 0)
	for key := range holders {
		index.Put(entry(key.Name, revision.Add(1)))
	}
	assert.Equal(t, sandboxes, index.Len(blue), "nothing leaked")
	stats := index.Stats()
	assert.Zero(t, stats.Reserved)
	assert.Positive(t, stats.ended[confirmed])
	assert.Positive(t, serves.Load())
	assert.Equal(t, sandboxes, sets.New(drain(index, blue)...).Len())
}

func reserveAny(index *Index[string], random *rand.Rand) (Reservation[string], bool) {
	switch random.IntN(4) {
	case 0:
		return index.ReserveForWaiting(blue)
	case 1:
		return index.ReserveNamed(sandboxKey(fmt.Sprint("s", random.IntN(20))))
	default:
		return index.Reserve(blue)
	}
}

// endAny ends in any way, at times from two goroutines at once.
func endAny(r Reservation[string], random *rand.Rand, revision uint64) {
	switch random.IntN(4) {
	case 0:
		r.Confirm(revision)
	case 1:
		r.Lost()
	case 2:
		var both sync.WaitGroup
		both.Go(r.Release)
		both.Go(func() { r.Confirm(revision) })
		both.Wait()
	}
	r.Release()
}
