// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"math"
	"slices"
	"time"
)

// Call is one request of a load.
type Call struct {
	// Start is when it was due, counted from the start of the load. Under an open loop
	// that may be before it was sent: waiting for a free client counts as latency.
	Start time.Duration `json:"start"`
	// Took is the time from Start to the answer.
	Took time.Duration `json:"took"`
	Err  error         `json:"-"`
}

// Quantiles of a sample, and how many there were. All are zero for an empty sample.
type Quantiles struct {
	Count int           `json:"count"`
	P50   time.Duration `json:"p50"`
	P90   time.Duration `json:"p90"`
	P99   time.Duration `json:"p99"`
	Max   time.Duration `json:"max"`
}

// Summarize takes the quantiles of the calls that were answered without an error.
func Summarize(calls []Call) Quantiles {
	return Of(Durations(calls))
}

// Durations are the latencies of the calls without an error, in their order.
func Durations(calls []Call) []time.Duration {
	var took []time.Duration
	for _, call := range calls {
		if call.Err == nil {
			took = append(took, call.Took)
		}
	}
	return took
}

// Of takes the quantiles of a sample, by nearest rank.
func Of(sample []time.Duration) Quantiles {
	if len(sample) == 0 {
		return Quantiles{}
	}
	sorted := slices.Sorted(slices.Values(sample))
	return Quantiles{
		Count: len(sorted), P50: rank(sorted, 0.50), P90: rank(sorted, 0.90), P99: rank(sorted, 0.99), Max: sorted[len(sorted)-1],
	}
}

func rank(sorted []time.Duration, quantile float64) time.Duration {
	index := int(math.Ceil(quantile*float64(len(sorted)))) - 1
	return sorted[max(index, 0)]
}

// Failed counts the calls that ended with an error.
func Failed(calls []Call) int {
	failed := 0
	for _, call := range calls {
		if call.Err != nil {
			failed++
		}
	}
	return failed
}

// Span is the time from the first due call to the last answer.
func Span(calls []Call) time.Duration {
	var last time.Duration
	first := time.Duration(math.MaxInt64)
	for _, call := range calls {
		first, last = min(first, call.Start), max(last, call.Start+call.Took)
	}
	return max(last-first, 0)
}

// Median of the values; NaN when there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
