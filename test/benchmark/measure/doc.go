// SPDX-License-Identifier: Apache-2.0

// Package measure makes load and takes figures: latencies of calls under closed, open
// and burst load, and what processes used meanwhile. It knows nothing of Sandboxes.
package measure
