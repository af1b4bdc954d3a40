// SPDX-License-Identifier: Apache-2.0

// Package app turns flags into a running server, one stage a file: command,
// config, run. It owns the order of start and stop: etcd, then the server; in
// reverse at the end. It never decides anything about the API.
package app
