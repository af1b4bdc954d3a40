// SPDX-License-Identifier: Apache-2.0

// Package certificates holds the promises about the serving certificate against a real control plane: two servers that
// start at once on an empty namespace, rotations and new connections under load through the aggregation layer, and what
// people break by hand. Its tests share a cluster and change it, so they run one after the other; certificates live for
// seconds in it.
package certificates
