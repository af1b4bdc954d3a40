// SPDX-License-Identifier: Apache-2.0

// Package binaries builds the programs a local cluster consists of into bin/ of the
// checkout: the Kubernetes control plane, etcd and kwok from the module hack/tools,
// and the server and the cluster program from the checkout itself.
//
// What comes from hack/tools is built once for a version: a stamp next to the binary
// records what it was built from, and any difference builds it again. What comes from
// the checkout is handed to the Go build cache every time. A lock file makes this safe
// for test binaries that run side by side. Nothing outside bin/ is written, save Go's
// own caches.
package binaries
