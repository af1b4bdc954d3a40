// SPDX-License-Identifier: Apache-2.0

// Package apiserver wires the server: scheme, storage, registries, admission,
// authorization, health checks and the embedded controllers.
//
// It owns the scheme. It promises that nothing runs before Server.Run, that every
// replica serves and only the leader runs controllers, and that readyz is red
// until every cache the server answers from has synced. It never decides
// anything about a Sandbox: that is the registries' and the controllers'.
package apiserver
