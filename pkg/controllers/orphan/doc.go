// SPDX-License-Identifier: Apache-2.0

// Package orphan deletes Pods and Services that were made for a Sandbox of which our
// store knows nothing, slowly, and not at all when there are many of them.
//
// Sandboxes that are deleted take their children along, by a finalizer. So an orphan
// means that the store has lost its Sandbox: it was restored to a state before it, and
// an administrator has confirmed that. The garbage collector then takes the dangling
// controller reference off, and the anchor keeps the child alive.
//
// One sweep looks at all children in the caches, decides, which is pure, and acts. An
// orphan is a Pod or an own Service with the labels and the name of a Sandbox and with
// the anchor, without any controller, whose Sandbox, by UID, does not exist. It is
// deleted only
//   - when the leader has seen it as an orphan for a grace of 15 minutes, in every sweep;
//     an Event on it says so at the beginning. A new leader begins anew;
//   - after the live Sandbox was asked for and is not there, and the live child is as it
//     was. The delete names UID and resourceVersion;
//   - three a minute, all kinds together;
//   - while the children without a Sandbox, those that the collector has not detached yet
//     included, are at most a quarter of all that were made until the same moment, whatever
//     the moment. More smell of a wrong store: the sweep stops, a metric, an Event on the
//     APIService and the log say so, and an administrator decides, by deleting what is not
//     wanted or by putting the right store in place. Children that are made meanwhile do
//     not release the brake: it is measured among those that are no younger. Old ones that
//     go tighten it, since what is lost is then more of what is left. When the sweep goes
//     on, the grace begins anew.
//
// To keep a Pod, take the label sandbox.agents.x-k8s.io/sandbox-uid off it, or set it to
// "retained". docs/operations/orphans.md says how.
//
// It never deletes a PersistentVolumeClaim: disks are told by their label, and are an
// administrator's to delete. It has nothing to do with NetworkPolicies: they carry
// neither UID nor anchor, and package template takes them away when the template and
// all its Pods have gone.
//
// Whoever can forge labels and anchor on a Pod can have it deleted in 15 minutes. That
// gives them nothing: with an owner that does not exist the collector does it at once.
package orphan
