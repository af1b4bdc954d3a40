// SPDX-License-Identifier: Apache-2.0

// Package servingcert is the serving certificate of an aggregated API server that looks after itself: each replica issues
// its own from the authority that all share (package authority), serves it from memory, and sees to it that the APIService
// carries the bundle to trust.
//
// It owns the leaf of this process and spec.caBundle of one APIService, which it writes by server-side apply under one
// field manager, by force, and only when what is there differs from the Secret as read after it. It promises that
//   - the server never answers with another certificate: Ensure comes before the server listens;
//   - a leaf is signed only by an authority whose bundle has been in the APIService for a while (the rotation waits for it);
//   - a bundle that somebody wiped or overwrote comes back a moment later;
//   - SelfCheck fails when clients of this replica would: it verifies the own listener with the bundle as published.
//
// The key never touches a disk. It never makes or deletes the APIService, and knows nothing of the API behind it.
package servingcert
