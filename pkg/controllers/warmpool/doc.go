// SPDX-License-Identifier: Apache-2.0

// Package warmpool keeps in each SandboxWarmPool the number of unclaimed
// Sandboxes that it asks for, made from its template of today as its update
// strategy wants it, and reports what there is and why there is not more.
//
// A member is a Sandbox in the pool's namespace whose controller reference carries
// the pool's UID, that no claim holds and nobody has deleted. Labels make no member.
// A claim takes the Sandbox over, owner and all: so it leaves the pool. One that is
// being deleted counts no longer, its successor need not wait for it.
//
// A Sandbox that was made before a loss of the store was confirmed is no member either: a
// claim that was lost may use it. It is withheld: the pool says how many there are and
// does nothing else with them, so it makes others in their place. What it makes must not be
// withheld in its turn, so it makes nothing while its clock says that the loss is yet to be.
//
// A sync has four steps. look reads the caches, decide, which is pure, turns what
// was seen into a plan, apply carries it out, report writes the status.
//
// # Never more than asked
//
// The caches are behind, so they are not the only thing that is counted.
//   - The name of a member is chosen and written down before its create is sent. It
//     counts from then until the cache has shown it. A create whose answer is lost may
//     be done late, so it is sent again under the same name: etcd takes a name once.
//     Other creates wait while there is no room for all that may come. Such a name
//     counts, whatever became of its Sandbox, until a consistent list taken later than
//     any request can last says whether it is there.
//   - A delete counts when the API server has confirmed it, and never before: a
//     member is not replaced because somebody meant to delete it.
//   - Every write to Sandboxes follows a look at the live pool, and the first of a term
//     a consistent list of the pool's Sandboxes. What the list has and the cache has
//     not counts as if this term had made it. So it does not matter how stale the
//     cache of a new leader is, nor what its predecessor did.
//   - A create is not cut off when the term ends: Run returns when it was answered,
//     and answers are waited for no longer than lies between the end of a term that
//     was lost and the next one. So nothing of the predecessor lands after that list.
//
// Within a term that holds whatever the timing. Across terms it needs what every
// Lease needs: that no process is stopped between a request and the write to etcd for
// longer than a Lease lasts. If one is, no more than it had in flight (maxParallel at
// most) is too much, and the next sync deletes it. Names that a second leader could
// guess would close that gap by collisions, but only if they were used again after
// their Sandbox is gone, and a name is an identity: in DNS, and for retained disks.
//
// # Promises
//   - A Sandbox that is withheld is neither counted nor deleted, whatever its state and
//     whatever is asked of the pool.
//   - Deletes carry UID and resourceVersion: a Sandbox that was claimed, or changed at
//     all, since it was looked at is not deleted.
//   - A member that finished, or has had a node and was not Ready for unreadyGrace, is
//     replaced; at most a quarter of the pool at a time, the next ones once one of the
//     successors is Ready, or after a delay that doubles. A member that has no node is
//     kept: another one would wait as well. A lagging observedGeneration means nothing.
//   - What the API server refuses is tried again with one create, after a delay that
//     doubles, and the condition Progressing says why.
//   - Nothing depends on an event being seen: every term begins with all pools.
//
// It owns the status of SandboxWarmPools. It has no finalizer: the members of a pool
// that is deleted are the garbage collector's. It never writes a Sandbox that exists,
// nor Pods.
package warmpool
