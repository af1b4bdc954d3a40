// SPDX-License-Identifier: Apache-2.0

// Package registry lists the whole API surface: which name is served by which
// storage. It is the only place that sees all resources.
//
// It opens each store once and promises that the same store can be installed
// under more than one API group. It never wires controllers or admission.
package registry
