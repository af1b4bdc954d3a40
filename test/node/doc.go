// SPDX-License-Identifier: Apache-2.0

// Package node holds users' stories on a real node: containers run, files are on a disk,
// names resolve. It runs with root on Linux; elsewhere every story is skipped with its
// reason, and the number of skipped stories is printed.
//
// Stories that end processes of the cluster run alone, before the others, which run at once.
package node
