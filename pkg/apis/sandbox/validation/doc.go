// SPDX-License-Identifier: Apache-2.0

// Package validation says what a valid object is. It owns every rule that can
// be decided from the object alone, its former self and the clock.
//
// It works on hub types after defaulting, is pure, and reports all errors it
// finds, each with its field, the bad value and what would be right. An update
// is judged by what it changes: an object that was stored under older rules can
// still be relabelled, finalized and deleted. Whether a podTemplate is a valid
// Pod is not decided here but asked of the cluster (pkg/admission/podtemplate);
// only what any cluster refuses is refused here as well, so that it stays out
// when the cluster cannot be asked.
package validation
