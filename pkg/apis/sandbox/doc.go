// SPDX-License-Identifier: Apache-2.0

// +k8s:deepcopy-gen=package
// +groupName=sandbox.agents.x-k8s.io

// Package sandbox holds the hub types of the API: what registries, admission
// and claims work on, whatever version and group a client speaks. It owns the
// shape of the objects; condition types, reasons and reserved keys are spelled in
// v1beta1, which controllers and clients read too.
//
// It promises to stay neutral of any wire format: no JSON or protobuf tags, no
// defaults. User documentation lives on the external types. Nothing outside of
// the server's REST side imports it: controllers and clients use v1beta1.
package sandbox
