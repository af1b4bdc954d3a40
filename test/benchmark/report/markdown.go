// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WriteMarkdown writes a run for people.
func WriteMarkdown(out io.Writer, run *Run, limits Limits) error {
	w := &writer{out: out}
	w.line("# Benchmark of sandbox-apiserver")
	w.line("")
	w.line("%s, %d CPUs (%s), %.0f GiB, commit %s", run.Machine.Time.UTC().Format("2006-01-02 15:04 MST"), run.Machine.CPUs,
		run.Machine.Model, float64(run.Machine.Memory)/(1<<30), run.Machine.Commit)
	if run.Machine.Scale != 1 {
		w.line("")
		w.line("**A trial at scale %v: its figures mean nothing.**", run.Machine.Scale)
	}
	w.line("")
	w.ratios(run, limits)
	for _, result := range run.Results {
		w.result(result)
	}
	return w.err
}

// Print writes the ratios and latencies of one result, for a terminal.
func Print(out io.Writer, result *Result, limits Limits) error {
	w := &writer{out: out}
	for _, l := range result.Latencies {
		w.line("  %-58s %5d  p50 %8.2f  p90 %8.2f  p99 %8.2f  max %8.2f ms  %d errors", l.Name, l.Quantiles.Count,
			Milliseconds(l.Quantiles.P50), Milliseconds(l.Quantiles.P90), Milliseconds(l.Quantiles.P99), Milliseconds(l.Quantiles.Max), l.Errors)
		if l.FirstError != "" {
			w.line("    %s", l.FirstError)
		}
	}
	for _, f := range result.Figures {
		w.line("  %s: %.2f %s", f.Name, f.Value, f.Unit)
	}
	for _, r := range result.Ratios {
		w.line("  %-40s %8.2f  %s", r.Name, r.Value, verdict(limits, r))
	}
	return w.err
}

// writer remembers the first error, so that callers need not.
type writer struct {
	out io.Writer
	err error
}

func (w *writer) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format+"\n", args...)
	}
}

func (w *writer) ratios(run *Run, limits Limits) {
	w.line("| ratio | value | must | |")
	w.line("|---|---|---|---|")
	for _, result := range run.Results {
		for _, ratio := range result.Ratios {
			must := ""
			if limit, found := limits[ratio.Name]; found {
				must = limit.String()
			}
			w.line("| `%s`: %s | %.2f | %s | %s |", ratio.Name, ratio.Of, ratio.Value, must, verdict(limits, ratio))
		}
	}
}

func verdict(limits Limits, ratio Ratio) string {
	limit, found := limits[ratio.Name]
	switch {
	case !found:
		return ""
	case limit.Holds(ratio.Value):
		return "kept"
	default:
		return "**missed**"
	}
}

func (w *writer) result(result *Result) {
	w.line("")
	w.line("## %s", result.Scenario)
	w.line("")
	w.line("%s", result.About)
	if len(result.Latencies) > 0 {
		w.line("")
		w.line("| ms | calls | p50 | p90 | p99 | max | errors |")
		w.line("|---|---|---|---|---|---|---|")
	}
	for _, l := range result.Latencies {
		w.line("| %s | %d | %.2f | %.2f | %.2f | %.2f | %d %s |", l.Name, l.Quantiles.Count, Milliseconds(l.Quantiles.P50), Milliseconds(l.Quantiles.P90),
			Milliseconds(l.Quantiles.P99), Milliseconds(l.Quantiles.Max), l.Errors, strings.ReplaceAll(l.FirstError, "|", "/"))
	}
	if len(result.Figures) > 0 {
		w.line("")
	}
	for _, f := range result.Figures {
		w.line("- %s: %.2f %s", f.Name, f.Value, f.Unit)
	}
	w.usage(result)
	for _, plot := range result.plots() {
		w.line("")
		w.line("![%s](%s)", plot.title, plot.file)
	}
}

func (w *writer) usage(result *Result) {
	if len(result.Usage) == 0 {
		return
	}
	w.line("")
	w.line("| process | CPU seconds | peak MiB |")
	w.line("|---|---|---|")
	for _, name := range slices.Sorted(maps.Keys(result.Usage)) {
		usage := result.Usage[name]
		w.line("| %s | %.1f | %d |", name, usage.CPUSeconds, usage.PeakBytes>>20)
	}
}
