// SPDX-License-Identifier: Apache-2.0

package warmindex

// result says how a reservation ended. Its values are part of the metric.
type result string

const (
	confirmed result = "confirmed"
	released  result = "released"
	lost      result = "lost"
)

// purpose says for whom a Sandbox was reserved.
type purpose int

const (
	newcomer purpose = iota
	waiter
)

// Reservation keeps one Sandbox from everybody else on this replica until it is ended by Confirm, Release or Lost. The
// first end counts, later ones do nothing; the zero value is one that has ended. Copies are the same reservation.
type Reservation[T any] struct {
	index   *Index[T]
	slot    *slot[T]
	ticket  uint64
	purpose purpose
	entry   Entry[T]
}

// Entry is the Sandbox as it was seen when it was picked.
func (r Reservation[T]) Entry() Entry[T] { return r.entry }

// Confirm says that the transaction was committed at this revision. The Sandbox is not offered again, unless the watch
// shows it available at that revision or later.
func (r Reservation[T]) Confirm(revision uint64) {
	// A commit is newer than what it changed, whatever the caller says.
	r.end(confirmed, max(revision, r.entry.Revision+1))
}

// Release says that nothing happened, or that nobody knows: the Sandbox is available again, unless the watch has said
// otherwise meanwhile.
func (r Reservation[T]) Release() { r.end(released, 0) }

// Lost says that the transaction found the Sandbox changed. It is not offered again until the watch shows it available at
// a later revision than that of the entry, which may have happened already.
func (r Reservation[T]) Lost() { r.end(lost, r.entry.Revision+1) }

func (r Reservation[T]) end(how result, barrier uint64) {
	i := r.index
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if r.slot.ticket != r.ticket {
		return
	}
	i.reserved--
	i.ended[how]++
	r.slot.ticket = 0
	r.slot.barrier = max(r.slot.barrier, barrier)
	i.settle(r.slot)
	// Whoever serves the waiting retries at its own pace: called back at once, it would try a failing write in a tight loop.
	if r.purpose != waiter {
		i.serve(r.slot.entry.Pool)
	}
}

func (i *Index[T]) reserve(s *slot[T], purpose purpose) Reservation[T] {
	i.withdraw(s)
	i.lastTicket++
	s.ticket = i.lastTicket
	i.reserved++
	return Reservation[T]{index: i, slot: s, ticket: s.ticket, purpose: purpose, entry: s.entry}
}
