// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"container/heap"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// Key names a pool or a Sandbox by namespace and name.
type Key = cache.ObjectName

// Entry is one available Sandbox, with all that a claim needs to write and to answer.
type Entry[T any] struct {
	Key  Key
	Pool Key
	UID  types.UID
	// Revision is the resourceVersion that the transaction must find unchanged.
	Revision uint64
	// Created orders the entries of a pool.
	Created time.Time
	// Payload belongs to whoever fed it and is shared by everybody who is offered the entry: it must not be changed.
	Payload T
}

// Options say how an Index behaves. The zero value is good for a single replica that nobody waits at.
type Options struct {
	// Replica tells this replica from the others, which are then given Sandboxes in another order. Empty: oldest first.
	Replica string
	// Serve is called when something became available at a pool where claims wait, or a claim began to wait where something
	// is available; not when whoever serves the waiting gives back what it could not use. It is called under the lock of the
	// Index: it must return at once and not call back. A queue's Add is what it is for. Nil: nobody is told.
	Serve func(pool Key)
}

// Index holds what is available. All methods may be called by several goroutines.
type Index[T any] struct {
	options Options

	mu         sync.Mutex
	slots      map[Key]*slot[T] // by Sandbox
	pools      map[Key]*pool[T]
	lastTicket uint64
	reserved   int
	ended      map[result]uint64
}

// slot is what is known of one Sandbox.
type slot[T any] struct {
	entry    Entry[T] // as last seen available
	rank     int64
	position int // in the queue of its pool, or notQueued

	available bool   // the last word of the watch
	seen      uint64 // the revision it spoke of
	deleted   bool   // it was the very last word
	barrier   uint64 // words about lower revisions are not believed
	ticket    uint64 // of the reservation that holds the slot; 0 if none does
}

type pool[T any] struct {
	queue   queue[T]
	waiting int
	tracked bool
	// answered counts claims by outcome, while the pool is tracked.
	answered map[string]uint64
}

// New builds an empty Index.
func New[T any](options Options) *Index[T] {
	return &Index[T]{
		options: options,
		slots:   map[Key]*slot[T]{},
		pools:   map[Key]*pool[T]{},
		ended:   map[result]uint64{},
	}
}

// Reserve picks the first available Sandbox of the pool, beyond those that are set aside for waiting claims. The caller
// owns the reservation and must end it.
func (i *Index[T]) Reserve(pool Key) (Reservation[T], bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := i.pools[pool]
	if p == nil || len(p.queue) <= p.waiting {
		return Reservation[T]{}, false
	}
	return i.reserve(p.queue[0], newcomer), true
}

// ReserveForWaiting is Reserve for whoever serves the claims that wait at the pool.
func (i *Index[T]) ReserveForWaiting(pool Key) (Reservation[T], bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := i.pools[pool]
	if p == nil || len(p.queue) == 0 {
		return Reservation[T]{}, false
	}
	return i.reserve(p.queue[0], waiter), true
}

// ReserveNamed is Reserve for one Sandbox, under the same condition that its pool has one beyond those set aside.
func (i *Index[T]) ReserveNamed(sandbox Key) (Reservation[T], bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.slots[sandbox]
	if s == nil || s.position == notQueued {
		return Reservation[T]{}, false
	}
	if p := i.pools[s.entry.Pool]; len(p.queue) <= p.waiting {
		return Reservation[T]{}, false
	}
	return i.reserve(s, newcomer), true
}

// Put notes that the watch saw the Sandbox available.
func (i *Index[T]) Put(entry Entry[T]) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.slots[entry.Key]
	if s == nil {
		s = &slot[T]{position: notQueued}
		i.slots[entry.Key] = s
	}
	i.withdraw(s)
	s.entry, s.rank = entry, rank(i.options.Replica, entry.Created, entry.UID)
	s.available, s.seen, s.deleted = true, entry.Revision, false
	i.settle(s)
	i.serve(entry.Pool)
}

// Remove notes that the watch saw the Sandbox, at this revision, not available.
func (i *Index[T]) Remove(sandbox Key, revision uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.slots[sandbox]
	if s == nil {
		return
	}
	i.withdraw(s)
	s.available, s.seen, s.deleted = false, revision, false
	i.settle(s)
}

// Delete notes that the watch saw the Sandbox go for good.
func (i *Index[T]) Delete(sandbox Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.slots[sandbox]
	if s == nil {
		return
	}
	i.withdraw(s)
	s.available, s.deleted = false, true
	i.settle(s)
}

// SetWaiting says how many claims wait at the pool.
func (i *Index[T]) SetWaiting(pool Key, claims int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := i.pool(pool)
	p.waiting = claims
	i.serve(pool)
	i.prune(pool, p)
}

// Track says that the pool exists, so that Stats reports it while it is empty. It takes no part in what is offered.
func (i *Index[T]) Track(pool Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pool(pool).tracked = true
}

// Untrack takes Track back.
func (i *Index[T]) Untrack(pool Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := i.pool(pool)
	p.tracked, p.answered = false, nil
	i.prune(pool, p)
}

// Len is how many Sandboxes of the pool are available and not reserved, those set aside for waiting claims included.
func (i *Index[T]) Len(pool Key) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p := i.pools[pool]; p != nil {
		return len(p.queue)
	}
	return 0
}

// Waiting is how many claims wait at the pool, as far as the watch has shown.
func (i *Index[T]) Waiting(pool Key) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p := i.pools[pool]; p != nil {
		return p.waiting
	}
	return 0
}

// settle decides what is to be done about a slot that is in no queue.
func (i *Index[T]) settle(s *slot[T]) {
	believed := s.seen >= s.barrier
	switch {
	case s.ticket != 0: // the end of the reservation settles it
	case s.deleted, believed && !s.available:
		delete(i.slots, s.entry.Key)
	case believed:
		heap.Push(&i.pool(s.entry.Pool).queue, s)
	}
}

// withdraw takes the slot out of the queue of its pool, if it is in it.
func (i *Index[T]) withdraw(s *slot[T]) {
	if s.position == notQueued {
		return
	}
	p := i.pools[s.entry.Pool]
	heap.Remove(&p.queue, s.position)
	i.prune(s.entry.Pool, p)
}

func (i *Index[T]) serve(pool Key) {
	p := i.pools[pool]
	if p != nil && p.waiting > 0 && len(p.queue) > 0 && i.options.Serve != nil {
		i.options.Serve(pool)
	}
}

func (i *Index[T]) pool(key Key) *pool[T] {
	p := i.pools[key]
	if p == nil {
		p = &pool[T]{}
		i.pools[key] = p
	}
	return p
}

// prune forgets a pool of which nothing is known.
func (i *Index[T]) prune(key Key, p *pool[T]) {
	if !p.tracked && p.waiting == 0 && len(p.queue) == 0 {
		delete(i.pools, key)
	}
}
