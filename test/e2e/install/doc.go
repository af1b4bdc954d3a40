// SPDX-License-Identifier: Apache-2.0

// Package install is the story of who installs the server: the manifests in artifacts,
// the binary alone in an empty root, and every command of docs/operations/install.md and
// uninstall.md, run as they stand there against a real control plane.
//
// Its nodes are simulated: they accept the Pods of the manifests and run nothing. So the
// suite runs each container itself, as a process in an empty root of its own, with the
// arguments, user, environment, volumes and token that the applied manifests give it. What
// it changes, and nothing else: a container listens on a loopback address of its own, names
// of Services are in its hosts file, and the Service sandbox-apiserver leads to those
// addresses.
package install
