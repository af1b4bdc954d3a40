// SPDX-License-Identifier: Apache-2.0

// Package space gives back the space that an etcd does not use, and lets one be written
// again that was full.
//
// A full etcd does not come back by itself: the alarm NOSPACE stays until somebody
// disarms it, and meanwhile nobody compacts, since the API server's compactor agrees
// with its likes by a write.
//
// It promises that
//   - nothing that is stored is lost: only the past is compacted, so that watches and lists
//     that lag begin anew;
//   - one member is defragmented at a time, since it answers nobody meanwhile, and the next
//     one only when it answers again;
//   - the alarm is disarmed only when every member that was named has room, and no other
//     alarm is.
//
// It never deletes a key. What has no room afterwards needs a larger quota.
package space
