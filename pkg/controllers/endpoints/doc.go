// SPDX-License-Identifier: Apache-2.0

// Package endpoints gives the Sandboxes of a namespace their names in DNS: it keeps the
// EndpointSlices of the shared Service, which has no selector for that reason.
//
// With a selector the cluster's own controllers would do it, and would write all names of
// the namespace anew, twice, whenever a Pod comes, goes or becomes Ready: Endpoints of up
// to a thousand addresses, and EndpointSlices. Here changes are gathered, and what nobody
// can ask for yet waits longest:
//   - of a Sandbox that somebody uses, claimed or made by hand, a change is written at
//     once, and then no more often than every half second or the twentieth part of the
//     time, whichever is less;
//   - of a warm one that nobody has claimed it is written within a few seconds. Whoever
//     claims it before that has it written at once.
//
// What belongs into a slice, and which slices there are, is decided by
// k8s.io/endpointslice, the library of the cluster's controller.
//
// It owns the EndpointSlices that name it as their manager. They belong to the shared
// Service and go with it. It promises that a name leads to the Pod of the Sandbox, or to
// nothing, as long as it runs; while no replica leads, names stay as they were: a Pod
// that goes meanwhile leaves its address behind until the next leader has looked.
//
// It never writes a Service, a Pod, or a slice of somebody else.
package endpoints
