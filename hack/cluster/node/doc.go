// SPDX-License-Identifier: Apache-2.0

// Package node runs one real node of a local cluster on this machine: containerd, a
// kubelet, kube-proxy and CoreDNS as processes, Pods as containers on a bridge of their
// own. It needs Linux, root, and a few programs of Debian; Obstacles says what is missing.
//
// A Pod's address is reachable from this machine, names of Services resolve in containers,
// and images are built from this checkout: nothing is ever pulled. Pods do not reach
// the outside, nor kube-apiserver, which listens on loopback.
//
// What a node changes outside its directory, it takes back when it stops: processes, mounts,
// a bridge, control groups of its own, kube-proxy's table, kernel settings. All of these carry
// the node's own names, so that nodes of clusters side by side do not meet. Not taken
// back: empty directories below /var/lib/kubelet, /var/log and /run.
//
// Nothing is signalled unless it provably is the node's: by its record, by the socket it
// was started with, or by its control group.
package node
