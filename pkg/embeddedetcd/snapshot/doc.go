// SPDX-License-Identifier: Apache-2.0

// Package snapshot saves the content of an etcd in a file, and makes the data directory
// of a member from such a file, with etcd's own packages and in etcd's own format.
//
// It promises that
//   - a snapshot has every write that was acknowledged before Save was called, whichever
//     member it is taken from;
//   - a file under the name that was asked for is complete and was read back: its
//     checksum and the structure of its database are right;
//   - a directory is restored completely or not at all;
//   - what is restored begins a billion revisions later, and everything before is
//     compacted, so that no watch and no cache of the past can go on as if nothing had
//     happened: clients are told to list anew;
//   - a restored member belongs to a new cluster of which it is the only member. Those of
//     the cluster before cannot talk to it; members with empty disks join it.
//
// It never writes into a directory that holds data or that a process uses, and never
// over a file that exists.
package snapshot
