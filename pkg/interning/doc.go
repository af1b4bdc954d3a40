// SPDX-License-Identifier: Apache-2.0

// Package interning lets objects in caches share what is equal in them. Thousands of
// Sandboxes come from a few templates: their Pod specs, and the managedFields that the same
// clients have left, are most of what they weigh.
//
// An Interner replaces a part of an object by an equal one that it has seen before, so that
// the garbage collector can have the other. It remembers the latest parts, a bounded number
// of them, and forgets nothing else than memory: what it does not recognise stays as it is.
//
// It promises that a part is replaced only by one that is semantically equal. Whoever
// calls it promises that nobody else has seen the object yet, and that nobody changes its
// parts afterwards: objects of caches are read-only.
package interning
