// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"

	"golang.org/x/perf/benchmath"
)

// Change is how one series differs between two runs.
type Change struct {
	Name     string
	Old, New float64 // medians, in milliseconds
	// P is the probability that the samples differ by chance as much as they do
	// (Mann-Whitney U test); Significant says that it is below 5 %.
	P           float64
	Significant bool
}

// Compare sets the series of two runs that have the same scenario and name beside each
// other, with the statistics of benchstat.
func Compare(before, after *Run) []Change {
	old := map[string]Latency{}
	for _, result := range before.Results {
		for _, latency := range result.Latencies {
			old[result.Scenario+"/"+latency.Name] = latency
		}
	}
	var changes []Change
	for _, result := range after.Results {
		for _, latency := range result.Latencies {
			name := result.Scenario + "/" + latency.Name
			if was, found := old[name]; found && len(was.Sample) > 0 && len(latency.Sample) > 0 {
				changes = append(changes, compare(name, was, latency))
			}
		}
	}
	return changes
}

func compare(name string, before, after Latency) Change {
	const alpha = 0.05
	thresholds := &benchmath.Thresholds{CompareAlpha: alpha}
	old, now := benchmath.NewSample(before.milliseconds(), thresholds), benchmath.NewSample(after.milliseconds(), thresholds)
	comparison := benchmath.AssumeNothing.Compare(old, now)
	return Change{
		Name: name, P: comparison.P, Significant: comparison.P < alpha,
		Old: Milliseconds(before.Quantiles.P50), New: Milliseconds(after.Quantiles.P50),
	}
}

func (l Latency) milliseconds() []float64 {
	values := make([]float64, len(l.Sample))
	for i, took := range l.Sample {
		values[i] = Milliseconds(took)
	}
	return values
}

// WriteComparison writes series and ratios of two runs side by side.
func WriteComparison(out io.Writer, before, after *Run) error {
	w := &writer{out: out}
	w.line("%-72s %10s %10s %8s", "series (p50, ms)", "old", "new", "change")
	for _, change := range Compare(before, after) {
		delta := "~"
		if change.Significant {
			delta = fmt.Sprintf("%+.1f%%", 100*(change.New-change.Old)/change.Old)
		}
		w.line("%-72s %10.2f %10.2f %8s (p=%.3f)", change.Name, change.Old, change.New, delta, change.P)
	}
	old := map[string]Ratio{}
	for _, result := range before.Results {
		for _, ratio := range result.Ratios {
			old[ratio.Name] = ratio
		}
	}
	w.line("%-72s %10s %10s", "ratio", "old", "new")
	for _, result := range after.Results {
		for _, ratio := range result.Ratios {
			if was, found := old[ratio.Name]; found {
				w.line("%-72s %10.2f %10.2f", ratio.Name, was.Value, ratio.Value)
			}
		}
	}
	return w.err
}
