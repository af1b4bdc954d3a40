// SPDX-License-Identifier: Apache-2.0

// Package ha shows what clients notice while parts of an installation of three replicas
// and three members of etcd end, die or lose each other: rolling restarts, the leader of
// the controllers, the leader of etcd, the network to etcd.
//
// Clients go through kube-apiserver, as users do, at a steady rate. What they were told is
// held against what is there afterwards. Figures are printed; only what must hold is
// asserted, never how fast it was.
package ha
