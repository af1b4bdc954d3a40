// SPDX-License-Identifier: Apache-2.0

// Package fence refuses to serve from an etcd that is not the one it was: an
// empty one, another one, or an older state of it. An API server that answers from
// such an etcd tells the cluster that objects do not exist, and the cluster acts.
//
// It owns one key in etcd and one ConfigMap in the main cluster. Both hold the
// epoch, a random name of this etcd's life, and a beat, a counter that the leader
// puts up while there are writes: first in etcd, then in the ConfigMap. So a right
// etcd is never behind the ConfigMap; one that is has been rewound, whatever its
// revision says. The ConfigMap also holds a revision that etcd had reached, and
// the id of the etcd cluster.
//
// Four parts:
//   - Judge decides, purely, from what etcd and ConfigMap hold and what this
//     process has seen;
//   - Fence reads, asks Judge, writes what it says, and sets the Gate. Keep writes
//     beats while this process leads;
//   - Gate is what the rest of the server sees: requests enter it, controllers run
//     while it is green, and what was made before a loss can be told by it;
//   - Guard sits on every client of the etcd, under the storage. It compares each answer
//     with those before, asks for a look before anything from a new connection is
//     believed, and closes the gate itself.
//
// It promises
//   - nothing enters before the first verdict;
//   - no answer of a wrong etcd reaches the storage, not even between two looks, and none
//     is asked for once one was noticed;
//   - red is final for a process, since its caches may hold the wrong etcd: Run
//     ends when a new process would be green;
//   - what a process has seen outlives it: before it ends it writes a rewind
//     down that only it could see;
//   - a crash between any two writes locks nobody out;
//   - a silent etcd or cluster is no verdict. What is green stays so for
//     Timing.Outage, then waits for the next verdict;
//   - where nothing is written, no beat is;
//   - a loss that was confirmed is remembered, by its time, as long as etcd is: BeforeLoss
//     tells what may have been more than etcd knows. That nothing is lost, as when etcd was
//     moved, is an administrator's to say, and not believed where etcd is seen to be behind.
//
// It never repairs: an administrator confirms a loss by naming the recorded epoch,
// and that starts a new one. It never reads what the etcd is for.
package fence
