// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"context"
	"errors"
	"math"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuantiles(t *testing.T) {
	ms := func(values ...int) []time.Duration {
		var sample []time.Duration
		for _, value := range values {
			sample = append(sample, time.Duration(value)*time.Millisecond)
		}
		return sample
	}
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	for name, test := range map[string]struct {
		sample             []time.Duration
		p50, p90, p99, top int
	}{
		"nothing": {},
		"one":     {sample: ms(7), p50: 7, p90: 7, p99: 7, top: 7},
		"two":     {sample: ms(9, 3), p50: 3, p90: 9, p99: 9, top: 9},
		"hundred": {sample: ms(hundred...), p50: 50, p90: 90, p99: 99, top: 100},
	} {
		t.Run(name, func(t *testing.T) {
			want := ms(test.p50, test.p90, test.p99, test.top)
			assert.Equal(t, Quantiles{Count: len(test.sample), P50: want[0], P90: want[1], P99: want[2], Max: want[3]}, Of(test.sample))
		})
	}
}

func TestSummariesLeaveFailuresOut(t *testing.T) {
	calls := []Call{{Took: time.Second}, {Took: time.Hour, Err: errors.New("refused")}}
	assert.Equal(t, time.Second, Summarize(calls).Max)
	assert.Equal(t, 1, Failed(calls))
}

func TestSpan(t *testing.T) {
	assert.Zero(t, Span(nil))
	calls := []Call{{Start: 3 * time.Second, Took: time.Second}, {Start: time.Second, Took: 5 * time.Second}}
	assert.Equal(t, 5*time.Second, Span(calls))
}

func TestMedian(t *testing.T) {
	assert.True(t, math.IsNaN(Median(nil)))
	assert.InDelta(t, 2, Median([]float64{3, 1, 2}), 0)
	assert.InDelta(t, 2.5, Median([]float64{4, 3, 1, 2}), 0)
}

// counting notes which requests it was asked for, and how many ran at once.
type counting struct {
	seen             [100]atomic.Int32
	running, highest atomic.Int32
	wait             chan struct{}
}

func (c *counting) count(_ context.Context, i int) error {
	c.seen[i].Add(1)
	if now := c.running.Add(1); now > c.highest.Load() {
		c.highest.Store(now)
	}
	if c.wait != nil {
		<-c.wait
	}
	c.running.Add(-1)
	return nil
}

func TestEachRequestIsSentOnce(t *testing.T) {
	for name, load := range map[string]func(Operation) []Call{
		"paced":  func(op Operation) []Call { return Paced(t.Context(), 10, time.Microsecond, op) },
		"burst":  func(op Operation) []Call { return Burst(t.Context(), 10, op) },
		"closed": func(op Operation) []Call { return Closed(t.Context(), 3, 10, time.Minute, op) },
		"open":   func(op Operation) []Call { return Open(t.Context(), 1000, 10*time.Millisecond, op) },
	} {
		t.Run(name, func(t *testing.T) {
			c := &counting{}
			require.Len(t, load(c.count), 10)
			for i := range 10 {
				assert.Equal(t, int32(1), c.seen[i].Load(), "request %d", i)
			}
		})
	}
}

func TestOpenLoopDoesNotWaitForAnswers(t *testing.T) {
	c := &counting{wait: make(chan struct{})}
	go func() {
		for c.running.Load() < 10 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond) //nolint:forbidigo // polls what the other goroutine counts
		}
		close(c.wait)
	}()
	Open(t.Context(), 1000, 10*time.Millisecond, c.count)
	assert.Equal(t, int32(10), c.highest.Load())
}

func TestProcesses(t *testing.T) {
	watched, err := Begin(map[string]int{"self": os.Getpid()})
	require.NoError(t, err)
	for start := time.Now(); watched.End()["self"].CPUSeconds == 0; {
		require.Less(t, time.Since(start), time.Minute, "reading its own usage takes time, too")
	}
	usage := watched.End()["self"]
	assert.Positive(t, usage.CPUSeconds)
	assert.Greater(t, usage.PeakBytes, uint64(1<<20))

	_, err = Begin(map[string]int{"nobody": math.MaxInt32})
	require.ErrorContains(t, err, "nobody")
}
