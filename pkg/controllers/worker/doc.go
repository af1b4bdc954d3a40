// SPDX-License-Identifier: Apache-2.0

// Package worker is the only queue loop of the controllers: keys go in, one function is called for each, what fails is
// tried again.
//
// It owns a rate-limited queue per term (a term is one call of Run, in a server: one leadership). It promises that
//   - one key is synced by one goroutine at a time, and an Enqueue during a sync leads to another sync after it;
//   - Run returns only when no sync is running, so whoever lost a Lease and has seen Run return writes nothing any more;
//     two calls of Run of one Worker never overlap;
//   - a term begins with the keys of Seed after all caches have synced, so nothing depends on what happened before it;
//   - an error or a panic of one key delays that key alone;
//   - what is more urgent goes first, but for turns; of equal urgency namespaces take turns, so a namespace with thousands
//     of keys that wait holds up no other. Keys whose syncs hang hold up all: there are so many Workers.
//
// A Worker is restartable: build it once, wire Enqueue to event handlers once, call Run for each leadership. Between
// terms Enqueue drops the key, since a standby must not collect keys that it will never work on; Seed makes up for it.
//
// It never ends a sync by force: when the context of Run ends, that of the running syncs does too, and a Sync that
// ignores it keeps Run from returning. Keys that were waiting then are dropped, not drained.
//
// It knows nothing of our API: a key is a namespace and a name.
package worker
