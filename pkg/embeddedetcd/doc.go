// SPDX-License-Identifier: Apache-2.0

// Package embeddedetcd runs an etcd member inside this process: Server is the only
// member of an etcd, Member one of several.
//
// # Server
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
// availability: with several replicas of the server, use Members.
//
// # Member
//
// It owns a directory in the same way, and three ports: for clients and for the other
// members, both with mutual TLS only, and one without TLS for probes and metrics. It
// promises that
//   - a cluster is founded only when all members are known to have no data. An empty
//     member that cannot ask everybody waits: who is silent may have all the data;
//   - a member whose disk was lost joins again by itself, without a vote until it has
//     caught up, as long as the others are a majority without it;
//   - a client's certificate does not make a peer, and a member with data of another
//     cluster than the others', as after a restore, does not start.
//
// # Both
//
// It never compacts: history belongs to the API server's compactor, which
// knows which revisions its watches still need. It never repairs, restores or
// removes data (package snapshot restores into empty directories); the database is
// defragmented at start when that frees much.
//
// No other package may import go.etcd.io/etcd/server, tests excepted.
package embeddedetcd
