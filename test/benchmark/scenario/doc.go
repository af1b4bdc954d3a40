// SPDX-License-Identifier: Apache-2.0

// Package scenario is what the benchmark measures: one function a question, each with
// the floor that it is held against measured in alternation with it, against a cluster
// that runs in other processes. A scenario cleans up after itself.
package scenario
