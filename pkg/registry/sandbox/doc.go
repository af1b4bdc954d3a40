// SPDX-License-Identifier: Apache-2.0

// Package sandbox serves the resource sandboxes with its subresources status,
// suspend and resume: what may be written, by whom, and how it is selected and
// printed.
//
// It promises that status is written through its subresource only, that a
// Sandbox carries its finalizer from the first write on, that a deletion which was
// to orphan is known as such for as long as the Sandbox is there, and that an action
// is one conditional write. It never touches Pods or other resources.
package sandbox
