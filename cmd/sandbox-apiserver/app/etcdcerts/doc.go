// SPDX-License-Identifier: Apache-2.0

// Package etcdcerts keeps the certificates with which servers and the members of their
// etcd know each other, on top of package authority.
//
// It owns the Secret sandbox-etcd-ca and the files in one directory. Both sides read
// certificate and key anew for every connection, and the authorities they trust only once.
// So when the authorities change, once in eight years or when an administrator asks, the
// process ends and is started again by who started it: within Spread, one after the other.
//
// It never decides who is a member and who a client: that is in the request of each.
package etcdcerts
