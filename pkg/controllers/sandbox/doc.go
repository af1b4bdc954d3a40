// SPDX-License-Identifier: Apache-2.0

// Package sandbox makes the Pod, the disks and the Services that a Sandbox asks
// for, takes them away again, and reports in the Sandbox's status what there is.
//
// A sync has four steps. gather reads the children of one Sandbox; decide, which
// is pure, turns what was seen into a plan; apply carries the plan out; report
// writes the status. Caches serve the first look. Whatever would be hard to take
// back is looked at again in the API server before it happens: a write to a child
// wants the live Sandbox; the removal of the finalizer, the kill of a Pod whose
// node is gone and the word "suspended" want live children as well.
//
// It owns the conditions Ready, Suspended, Finished and PodScheduled, the rest of
// a Sandbox's status, and the finalizer of a Sandbox. It promises that
//   - a Sandbox has never more than one Pod, because the Pod has its name;
//   - what belongs to somebody else is never changed, mounted or deleted. A Pod or
//     Service is ours only if its controller reference carries our UID, a
//     PersistentVolumeClaim only if its label does. Every delete names the UID that
//     was looked at, every patch the resourceVersion too;
//   - a Pod or Service that the garbage collector has detached, because this server
//     was away or restored, is taken back as it runs: it has no controller reference,
//     but the anchor and the label with our UID. After a restore it then does what the
//     restored Sandbox says, so one that was suspended in the snapshot ends its Pod;
//   - a deletion with --cascade=orphan deletes nothing: Pod, own Service and disks are
//     marked as the user's before the Sandbox goes. A finalizer asks for that, and once
//     the garbage collector has taken it off, the mark that package registry/sandbox
//     has put in its place;
//   - a Pod that was lost is replaced and one that ended by itself is not: once
//     Finished is True it stays, and status is the memory of it;
//   - no Pod of a template is made before the condition NetworkPolicyReady of the
//     template says so, for the spec that the template has now;
//   - nothing depends on an event being seen: every term begins with all Sandboxes.
//
// It never writes a Sandbox's spec, and never deletes the shared Service.
package sandbox
