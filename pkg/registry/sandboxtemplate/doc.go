// SPDX-License-Identifier: Apache-2.0

// Package sandboxtemplate serves the resource sandboxtemplates and its status.
//
// It promises that status is written through its subresource only. It never
// touches the pools and Sandboxes made from a template.
package sandboxtemplate
