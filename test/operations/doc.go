// SPDX-License-Identifier: Apache-2.0

// Package operations runs the pages of docs/operations: every fenced block that is marked
// sh, as it stands there, section by section, against a real control plane, the server and
// three members of `sandbox-apiserver etcd`. Blocks marked `sh in-cluster` are for
// installations in a cluster, whose images cannot run here, and are only parsed.
//
// The pages speak of services of systemd. A systemctl comes first in PATH that starts and
// stops the processes of the test instead: this test binary under another name.
package operations
