// SPDX-License-Identifier: Apache-2.0

// Package claim follows claims: it mirrors in a claim's status what its Sandbox
// reports, ends claims whose lifetime is over, deletes the Sandbox of a claim that
// is gone, and has waiting claims served in the order in which they came.
//
// A claim is bound in the transaction that stores it, by package pkg/claim. So the
// status of a warm claim is right from the start, and following it writes nothing.
//
// There are two queues. One has claims: gather, decide (pure), status, apply.
// Caches say whether there is anything to write; what is written is decided on
// objects read from the API server. A claim may well be cached before the Sandbox
// that was written with it, and is not called lost for that. The other queue has
// pools: one worker at a time calls the pool's claim subresource for its waiting
// claims, the oldest first of those that are cached.
//
// It owns the conditions Bound, Ready and Finished of a stored claim and the rest
// of its status, and what an expired claim does to its Sandbox. It promises that
//   - a claim and a Sandbox belong together only if the Sandbox's claimRef has the
//     claim's UID: a name alone proves nothing;
//   - a Sandbox is deleted only when the API server itself says that its claim is
//     gone, and only while the claim is its controller: one that was orphaned stays.
//     Every delete names the UID and the resourceVersion that were looked at;
//   - a claim that lost its Sandbox draws no other;
//   - a lifetime may be extended until the claim is deleted, an expired claim that
//     is retained comes back with its Sandbox;
//   - nothing depends on an event being seen: every term begins with all claims, and
//     with the claims that Sandboxes name.
//
// It never binds a claim by itself, creates nothing, and never touches Pods.
package claim
