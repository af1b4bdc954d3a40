// SPDX-License-Identifier: Apache-2.0

// Package podtemplate is the admission plugin that asks the cluster whether a
// podTemplate is a valid Pod, by creating the Pod that the controller would make
// as a dry run. It owns that question, the memory of recent answers and the
// translation of an answer into fields of the object that was sent.
//
// It promises to refuse only what the cluster's own validation refuses: 422
// Invalid with fields. Whatever depends on the hour (quota, Pod security, policies,
// webhooks, a cluster that cannot be reached) becomes a warning and the object is
// admitted. Equal Pods of a namespace are asked for once, however many requests
// wait for the answer.
//
// It never stores anything, never looks at names or UIDs, and never asks about
// an update that leaves the Pod as it was.
package podtemplate
