// SPDX-License-Identifier: Apache-2.0

// +k8s:deepcopy-gen=package
// +k8s:conversion-gen=agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=io.x-k8s.agents.sandbox.v1beta1
// +k8s:protobuf-gen=package
// +groupName=sandbox.agents.x-k8s.io

// Package v1beta1 is the external version of the API group
// sandbox.agents.x-k8s.io. It owns the wire shape of every kind, its defaults
// and its conversion to the hub types, and carries the documentation that
// users read with kubectl explain.
//
// It promises that fields, JSON names and protobuf numbers never change their
// meaning within the version. It imports nothing but API machinery, so that
// clients can depend on it alone.
package v1beta1
