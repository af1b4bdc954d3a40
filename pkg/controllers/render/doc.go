// SPDX-License-Identifier: Apache-2.0

// Package render makes the objects of a Sandbox: its Pod, its disks, its own
// Service and the Service that all Sandboxes of a namespace share; and those of a
// template: its Sandboxes, for a pool or for a claim, and its NetworkPolicy. It is
// the one place that knows names, labels, owners and DNS names of these objects.
//
// It promises to be pure: the same input gives the same objects, nothing that is
// passed in is changed or kept, and nothing is read from anywhere else. The
// podTemplate of a Sandbox is taken as it is stored; what a Sandbox adds to it is
// added here. Admission renders the very same Pod for its dry run. Where a claim
// asks for what its template forbids, the errors name the fields of the claim.
//
// It never talks to a cluster and never decides whether an object should exist.
package render
