// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"hash/fnv"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// spread is the most by which replicas disagree about the age of a Sandbox. The longer, the more of them compete for the
// first place on each replica, and the rarer two replicas meet; the shorter, the closer to oldest first.
const spread = time.Hour

// rank places a Sandbox among those of its pool: the lowest is offered first.
func rank(replica string, created time.Time, uid types.UID) int64 {
	at := created.UnixNano()
	if replica == "" {
		return at
	}
	score := fnv.New64a()
	// The replica first: what is hashed last reaches the fewest bits, and identities often differ in their last character.
	_, _ = score.Write([]byte(replica))
	_, _ = score.Write([]byte{0})
	_, _ = score.Write([]byte(uid))
	return at + int64(score.Sum64()%uint64(spread))
}

const notQueued = -1

// queue is a heap (container/heap) whose elements know their position.
type queue[T any] []*slot[T]

func (q queue[T]) Len() int { return len(q) }

func (q queue[T]) Less(a, b int) bool {
	if q[a].rank != q[b].rank {
		return q[a].rank < q[b].rank
	}
	return q[a].entry.UID < q[b].entry.UID
}

func (q queue[T]) Swap(a, b int) {
	q[a], q[b] = q[b], q[a]
	q[a].position, q[b].position = a, b
}

func (q *queue[T]) Push(x any) {
	s := x.(*slot[T])
	s.position = len(*q)
	*q = append(*q, s)
}

func (q *queue[T]) Pop() any {
	last := len(*q) - 1
	s := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	s.position = notQueued
	return s
}
