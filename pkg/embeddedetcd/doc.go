// SPDX-License-Identifier: Apache-2.0

// Package embeddedetcd runs a single etcd member inside this process.
//
// It owns one directory: the member's data (`member/`), the lock that keeps a
// second process out (`lock`) and the sockets. It promises that
//   - every acknowledged write survives kill -9 and a power cut (fsync is on);
//   - nobody else writes the directory while Run does: a second process gets
//     ErrInUse at once instead of waiting for a file lock;
//   - no TCP port is opened. Clients come through a unix socket that only this
//     user can reach, and the one member has no peer listener at all.
//
// It is for development and small clusters. One member is no high
// availability: with several replicas of the server, use an external etcd.
//
// It never compacts: history belongs to the API server's compactor, which
// knows which revisions its watches still need. It never repairs, restores or
// removes data; the database is defragmented at start when that frees much.
//
// No other package may import go.etcd.io/etcd/server, tests excepted.
package embeddedetcd
