// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/measure"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/report"
)

var errNotReady = errors.New("the claim was not answered Ready")

// claimer makes claims through the declarative door and counts how they were answered.
type claimer struct {
	env                *Env
	namespace, prefix  string
	warm, cold, nobody atomic.Int64
	mustBeReady        bool
}

func (c *claimer) claim(ctx context.Context, i int) error {
	claim := newClaim(fmt.Sprintf("%s-%d", c.prefix, i))
	answer, err := c.env.Client.SandboxV1beta1().SandboxClaims(c.namespace).Create(ctx, claim, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	switch {
	case answer.Status.Sandbox == nil:
		c.nobody.Add(1)
	case warm(answer):
		c.warm.Add(1)
	default:
		c.cold.Add(1)
	}
	if c.mustBeReady && !claimReady(answer) {
		return errNotReady
	}
	return nil
}

func (c *claimer) counts(result *report.Result) {
	result.AddFigure("warm claims", float64(c.warm.Load()), "")
	result.AddFigure("cold claims", float64(c.cold.Load()), "")
}

// unloadedClaim alternates a claim with its floors, at a pace that lets the pool refill
// between two claims.
func unloadedClaim(ctx context.Context, env *Env, namespace string, result *report.Result) error {
	if err := env.Pool(ctx, namespace, 20); err != nil {
		return err
	}
	if err := env.Full(ctx, namespace, poolName); err != nil {
		return err
	}
	ready, stop, err := env.watchClaims(ctx, namespace)
	if err != nil {
		return err
	}
	defer stop()
	claims := &claimer{env: env, namespace: namespace, prefix: "one", mustBeReady: true}
	series := env.alternate(ctx, env.Sized(200), ready.noting("one", claims.claim),
		env.createConfigMap(namespace, "floor"), env.putTwo("claim"), env.passThrough)
	claimed := result.AddCalls("claim, answered Ready", series[0])
	if err := ready.all(ctx, claimed.Count); err != nil {
		return err
	}
	watched := result.AddCalls("claim, until a watch shows Ready", ready.calls())
	floor := result.AddCalls("ConfigMap create", series[1])
	result.AddCalls("etcd transaction of two puts", series[2])
	result.AddCalls("request only passed through", series[3])
	claims.counts(result)
	result.AddRatio("p50", "p50 of a claim answered Ready ÷ p50 of a ConfigMap create", ratio(claimed.P50, floor.P50))
	result.AddRatio("watch-p50", "p50 until a watch shows Ready ÷ p50 of a ConfigMap create", ratio(watched.P50, floor.P50))
	return nil
}

// alternate paces the operations one after the other, n times.
func (e *Env) alternate(ctx context.Context, n int, operations ...measure.Operation) [][]measure.Call {
	const interval = 25 * time.Millisecond
	series := make([][]measure.Call, len(operations))
	all := measure.Paced(ctx, n*len(operations), interval, func(ctx context.Context, i int) error {
		return operations[i%len(operations)](ctx, i/len(operations))
	})
	for i, call := range all {
		series[i%len(operations)] = append(series[i%len(operations)], call)
	}
	return series
}

// openLoop claims at a rate for a minute.
func openLoop(rate int) question {
	return func(ctx context.Context, env *Env, namespace string, result *report.Result) error {
		if err := env.fullPool(ctx, namespace, env.Sized(200)); err != nil {
			return err
		}
		claims := &claimer{env: env, namespace: namespace, prefix: "open"}
		ready, stop, err := env.watchClaims(ctx, namespace)
		if err != nil {
			return err
		}
		defer stop()
		calls := measure.Open(ctx, rate, env.Lasting(time.Minute), ready.noting("open", claims.claim))
		answered := result.AddCalls("claim, answered", calls)
		claims.counts(result)
		if err := ready.all(ctx, answered.Count); err != nil {
			return err
		}
		result.AddCalls("claim, until a watch shows Ready", ready.calls())
		result.AddRatio("p99-ms", "p99 of the answer in milliseconds", report.Milliseconds(answered.P99))
		return nil
	}
}

func (e *Env) fullPool(ctx context.Context, namespace string, replicas int) error {
	if err := e.Pool(ctx, namespace, replicas); err != nil {
		return err
	}
	return e.Full(ctx, namespace, poolName)
}

// highestRate doubles the rate until p99 passes the limit, then halves the gap twice.
func highestRate(ctx context.Context, env *Env, namespace string, result *report.Result) error {
	const limit = 100 * time.Millisecond
	if err := env.Pool(ctx, namespace, env.Sized(200)); err != nil {
		return err
	}
	held := func(rate int) (bool, error) {
		if err := env.Full(ctx, namespace, poolName); err != nil {
			return false, err
		}
		claims := &claimer{env: env, namespace: namespace, prefix: fmt.Sprintf("rate-%d", rate)}
		calls := measure.Open(ctx, rate, env.Lasting(15*time.Second), claims.claim)
		answered := measure.Summarize(calls)
		env.Tell("%d claims a second: p99 %v, %d errors, %d of %d cold", rate, answered.P99, measure.Failed(calls), claims.cold.Load(), len(calls))
		result.AddFigure(fmt.Sprintf("p99 at %d/s", rate), report.Milliseconds(answered.P99), "ms")
		return answered.P99 <= limit && measure.Failed(calls) == 0, nil
	}
	low, high := 0, 50
	for high <= 800 {
		ok, err := held(high)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		low, high = high, 2*high
	}
	for range 2 {
		middle := (low + high) / 2
		ok, err := held(middle)
		if err != nil {
			return err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	result.AddFigure("highest rate held with p99 ≤ 100 ms", float64(low), "claims/s")
	return nil
}

func ratio(part, whole time.Duration) float64 { return float64(part) / float64(whole) }
