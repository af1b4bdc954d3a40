// SPDX-License-Identifier: Apache-2.0

// Package architecture holds the rules of the house as pure checks over parsed source: which folders exist, who may
// import whom, and how large files and functions may grow. It reads Go files with go/parser only: no type checking,
// no build, no network, so the checks take well under a second and work on a tree that does not compile.
//
// The rules themselves are data: folders in house.go, imports in imports.go, limits in budgets.go. test/architecture_test.go
// applies them to this repository and holds the list of exceptions; hack/largest prints what the limits measure.
//
// The package never changes a file and never decides what is an exception.
package architecture
