// SPDX-License-Identifier: Apache-2.0

// Package history judges what clients were told of claims against what etcd holds.
//
// A Record has every write of Sandboxes and claims, in the order of etcd, and every call
// of every client with its time and its answer. Check says what in it must not be.
//
// # Why this suffices
//
// Linearizability asks whether there is an order of all operations that explains every
// answer and contradicts no clock. A checker such as porcupine searches for that order,
// since as a rule nobody knows it. Here it is known: etcd has given each write a revision,
// a joined write has one for both objects, and a watch of etcd itself shows all of them.
// So nothing is left to be searched, and two things to be checked, both in linear time:
//   - the order of the writes keeps the invariants after each revision: a Sandbox is held
//     by one claim and for good, a claim holds one Sandbox and for good, what names the
//     other side is written with it, a pool has at most its replicas;
//   - each answer is a state of that order, and one that its call can have met: it was
//     stored at the revision that the answer names, and it had not gone before the call
//     began. And each claim is somebody's answer, or that of a call that never got one.
//     Answers cannot contradict each other then, for a claim never changes its Sandbox and
//     never goes without having been asked to.
//
// The clocks of all calls and of the watch are one process's. A write is seen later than
// it was made, never earlier, so whatever is said to have gone before a call began really
// had. Only whether a refusal was honest needs the time at which something was free; there
// the judgement is generous by a margin for how late the watch may be, and counts every
// call that may have held a Sandbox for a moment.
//
// It knows nothing of clients, etcd or the server: a Record is data, and the tests of this
// package write bad ones by hand.
package history
