// SPDX-License-Identifier: Apache-2.0

// Package template keeps one NetworkPolicy for each SandboxTemplate that is
// Managed, and says in the template's status whether it is in place.
//
// A sync is about a name, not about an object: the NetworkPolicy selects the Pods
// that were made from a template of that name, and outlives it as long as there is
// a Sandbox or a Pod of it. gather reads, decide, which is pure, makes a plan, apply
// carries it out, report writes the status. Caches serve the first look; before
// anything is written the template is read live, and before a NetworkPolicy is taken
// away because nobody needs it, Sandboxes and Pods are as well.
//
// It owns the condition NetworkPolicyReady of templates, for which the Pods of a
// template wait. It promises that
//   - the condition is True for a generation of a template only after the NetworkPolicy
//     says what that generation wants, or is the user's to keep;
//   - a NetworkPolicy that was changed or deleted by somebody is restored;
//   - a foreign NetworkPolicy is never changed or deleted, not even if it has the name
//     that is needed: then the condition says so. Ours is told by its labels. It has no
//     owner reference, so no garbage collector can open the network of a running Pod,
//     whatever it believes about templates;
//   - nothing depends on an event being seen: every term begins with all templates and
//     all NetworkPolicies.
//
// It never makes or deletes Sandboxes or Pods.
package template
