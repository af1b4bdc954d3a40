// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Operation is one request; i counts from 0 and names what it makes.
type Operation func(ctx context.Context, i int) error

// Paced sends one request at a time, one every interval, n in all: an idle server.
func Paced(ctx context.Context, n int, interval time.Duration, op Operation) []Call {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	begin := time.Now()
	calls := make([]Call, 0, n)
	for i := range n {
		select {
		case <-ctx.Done():
			return calls
		case <-ticker.C:
		}
		calls = append(calls, timed(ctx, begin, i, op))
	}
	return calls
}

// Burst sends n requests at once.
func Burst(ctx context.Context, n int, op Operation) []Call {
	calls := make([]Call, n)
	gate := make(chan struct{})
	var group sync.WaitGroup
	var begin time.Time
	for i := range n {
		group.Go(func() {
			<-gate
			err := op(ctx, i)
			// Due at the start of the burst, whenever the scheduler let it run.
			calls[i] = Call{Took: time.Since(begin), Err: err}
		})
	}
	begin = time.Now()
	close(gate)
	group.Wait()
	return calls
}

// Closed keeps clients busy, each with one request at a time, until the duration is
// over or limit requests have been sent.
func Closed(ctx context.Context, clients, limit int, duration time.Duration, op Operation) []Call {
	ctx, cancel := context.WithTimeout(ctx, duration+time.Minute)
	defer cancel()
	perClient := make([][]Call, clients)
	var next atomic.Int64
	begin := time.Now()
	var group sync.WaitGroup
	for client := range clients {
		group.Go(func() {
			for time.Since(begin) < duration && ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= limit {
					return
				}
				perClient[client] = append(perClient[client], timed(ctx, begin, i, op))
			}
		})
	}
	group.Wait()
	var calls []Call
	for _, own := range perClient {
		calls = append(calls, own...)
	}
	return calls
}

// Open sends rate requests a second for the duration, whether answers come or not.
func Open(ctx context.Context, rate int, duration time.Duration, op Operation) []Call {
	n := int(float64(rate) * duration.Seconds())
	calls := make([]Call, n)
	begin := time.Now()
	var group sync.WaitGroup
	for i := range n {
		due := time.Duration(float64(i) / float64(rate) * float64(time.Second))
		timer := time.NewTimer(due - time.Since(begin))
		select {
		case <-ctx.Done():
			timer.Stop()
			group.Wait()
			return calls[:i]
		case <-timer.C:
		}
		group.Go(func() {
			err := op(ctx, i)
			calls[i] = Call{Start: due, Took: time.Since(begin) - due, Err: err}
		})
	}
	group.Wait()
	return calls
}

func timed(ctx context.Context, begin time.Time, i int, op Operation) Call {
	start := time.Now()
	err := op(ctx, i)
	return Call{Start: start.Sub(begin), Took: time.Since(start), Err: err}
}
