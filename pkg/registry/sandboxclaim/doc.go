// SPDX-License-Identifier: Apache-2.0

// Package sandboxclaim serves the resource sandboxclaims and its status.
//
// It promises that status is written through its subresource only. It never
// touches the Sandbox that a claim holds.
package sandboxclaim
