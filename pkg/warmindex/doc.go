// SPDX-License-Identifier: Apache-2.0

// Package warmindex knows, on every replica, which Sandboxes of each warm pool are available, so that a claim picks one
// from memory. It is a hint: etcd is the truth, and whoever picks still has to win the transaction.
//
// Index is the data structure and free of our domain, Feed keeps it in step with the caches of this replica.
//
// # States
//
// What the watch says and what the claims of this replica did decide together about a Sandbox:
//
//	          Put                Reserve               Confirm
//	unknown ───────▶ available ──────────▶ reserved ──────────▶ claimed
//	   ▲                ▲ │                  │   │                 │
//	   │      Put, newer│ │Remove     Release│   │Lost             │ the watch shows the commit or
//	   └────────────────┼─┘◀─────────────────┘   ▼                 │ something later, or the deletion
//	   │                └────────────────────  hidden              │
//	   └────────────────────────────────────────────────────────── ┘
//
// One number tells late news from new news, the barrier: the lowest revision of a Sandbox that is believed.
//   - Confirm(revision): the claim was committed. What is older than the commit is not believed, however late it arrives.
//   - Lost(): somebody else wrote the Sandbox first. What is not newer than the entry that was picked is not believed.
//   - Release(): nothing happened. The barrier stays, and the last word of the watch counts: available again if it still is.
//
// While a Sandbox is reserved the watch is noted and takes effect when the reservation ends. A Sandbox that is deleted
// takes its barrier along, so nothing is remembered for ever. Revisions are those of one etcd: every later state of an
// object, also of another object of its name, has a higher one.
//
// # Ending a reservation
//
// Whoever reserves ends the reservation, on every path; until then nobody else on this replica is offered the Sandbox.
// `defer r.Release()` does it: only the first end counts, and the zero Reservation ends without effect. When the outcome
// of the transaction is unknown, Release is right: if it was committed the next one loses and goes on, whereas a Lost that
// was none would hide the Sandbox until something else changes it. The same holds for a dry run, and for a transaction that
// was refused for another reason than a changed Sandbox.
//
// # Order
//
// Without a replica identity: oldest first. With one, each Sandbox looks younger by up to an hour to a replica, by a score
// that is the hash of both (rendezvous hashing, without knowing the others). Among the Sandboxes of the same hour each
// replica so has an order of its own and rarely meets another, while no replica ever passes over a Sandbox for one that is
// more than an hour younger, and none is left lying.
//
// # Withheld Sandboxes
//
// After a loss of the store a Sandbox of before it may be in use by a claim that is lost, although nothing of it says so.
// Such a one is offered to nobody. FeedOptions.Withheld tells by the time at which it was made.
//
// # Waiting claims
//
// What becomes available belongs to the claims that wait at its pool: others are offered only what is left when one is
// set aside for each. Options.Serve is called when a waiting claim can be served; there is no timer to wait for.
//
// # Promises
//
// Reserving, ending and feeding take O(log n) for a pool of n, with no allocation for a reservation. One replica never
// offers a Sandbox to two claims, and never one again that it has claimed itself. A change of a pool or a template is
// O(pool). Nothing here starts a goroutine, reads etcd or changes an object that it was given.
package warmindex
