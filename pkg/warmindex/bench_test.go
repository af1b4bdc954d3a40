// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func sized(count int) (*Index[string], []Entry[string]) {
	index := New[string](Options{Replica: "0"})
	entries := members(rand.New(rand.NewPCG(5, 5)), count, 24*time.Hour)
	for _, entry := range entries {
		index.Put(entry)
	}
	index.Track(blue)
	return index, entries
}

var sizes = []int{10, 1_000, 100_000}

func BenchmarkReserveRelease(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			index, _ := sized(size)
			b.ReportAllocs()
			for b.Loop() {
				r, _ := index.Reserve(blue)
				r.Release()
			}
		})
	}
}

// A whole life: drawn, confirmed, the watch shows the commit, a new Sandbox becomes available.
func BenchmarkClaimAndReplenish(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			index, _ := sized(size)
			revision := uint64(1)
			b.ReportAllocs()
			for b.Loop() {
				r, _ := index.Reserve(blue)
				next := r.Entry()
				revision++
				r.Confirm(revision)
				index.Remove(next.Key, revision)
				revision++
				next.Revision, next.Created = revision, next.Created.Add(time.Minute)
				index.Put(next)
			}
		})
	}
}

// A status update of a Sandbox that stays available.
func BenchmarkPut(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			index, entries := sized(size)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				index.Put(entries[n%len(entries)])
			}
		})
	}
}

func BenchmarkReserveReleaseParallel(b *testing.B) {
	index, _ := sized(1000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, _ := index.Reserve(blue)
			r.Release()
		}
	})
}

func TestReservingAllocatesNothing(t *testing.T) {
	index, entries := sized(1000)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		r, _ := index.Reserve(blue)
		r.Lost()
		index.Put(r.Entry())
	}))
	assert.Zero(t, testing.AllocsPerRun(100, func() { index.Put(entries[500]) }))
}
