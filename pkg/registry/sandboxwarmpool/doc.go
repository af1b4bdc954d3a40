// SPDX-License-Identifier: Apache-2.0

// Package sandboxwarmpool serves the resource sandboxwarmpools with its
// subresources status and scale.
//
// It promises that no pool asks for more replicas than the server allows,
// whichever way they are written. It never touches the pool's Sandboxes.
package sandboxwarmpool
