// SPDX-License-Identifier: Apache-2.0

// Package report holds what a run of the benchmark found, judges its ratios by
// limits.yaml, writes it as JSON, Markdown and plots, and compares two runs.
package report
