// SPDX-License-Identifier: Apache-2.0

// Package e2e holds what must be true of Pods and disks when the server is stopped,
// loses its data, or is killed again and again, with the real kube-controller-manager
// running all the while. The tests share one cluster, one after the other.
package e2e
