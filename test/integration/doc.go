// SPDX-License-Identifier: Apache-2.0

// Package integration holds the promises of the API and of the sandbox controller
// against a real control plane, through the aggregation layer: what is refused, every
// verb, the actions, and the life of a Sandbox. Its tests share one cluster and run in
// parallel, each in a namespace of its own; the server is built with the race detector.
//
// What kills the server is in the package e2e.
package integration
