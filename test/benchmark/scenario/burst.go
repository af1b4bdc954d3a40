// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/measure"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/report"
)

// burstRounds is how often a burst and its floor alternate.
const burstRounds = 5

// floors measures what stands below everything, with more and more in flight.
func floors(ctx context.Context, env *Env, namespace string, result *report.Result) error {
	for _, clients := range []int{1, 50, 300} {
		prefix := fmt.Sprintf("floor-%d", clients)
		for _, floor := range []struct {
			name string
			op   measure.Operation
		}{
			{"etcd transaction of two puts", env.putTwo(prefix)},
			{"ConfigMap create", env.createConfigMap(namespace, prefix)},
			{"request only passed through", env.passThrough},
		} {
			calls := measure.Closed(ctx, clients, env.Sized(20_000), env.Lasting(3*time.Second), floor.op)
			name := fmt.Sprintf("%s, %d in flight", floor.name, clients)
			result.AddCalls(name, calls)
			result.AddFigure(name, float64(len(calls))/measure.Span(calls).Seconds(), "per second")
		}
	}
	return nil
}

// burst alternates claims at once with ConfigMap creates at once; the pool is full
// again before each, and the server at rest.
func burst(claims, pool int) question {
	return func(ctx context.Context, env *Env, namespace string, result *report.Result) error {
		if err := env.Pool(ctx, namespace, env.Sized(pool)); err != nil {
			return err
		}
		var claimed, floor []measure.Call
		var ratios, spans, floorSpans []float64
		n := env.Sized(claims)
		err := rounds(ctx, burstRounds, func(int) error { return env.fullAtRest(ctx, namespace) }, func(round int) error {
			calls := measure.Burst(ctx, n, env.createConfigMap(namespace, fmt.Sprintf("floor-%d", round)))
			floor, floorSpans = append(floor, calls...), append(floorSpans, measure.Span(calls).Seconds())
			return nil
		}, func(round int) error {
			maker := &claimer{env: env, namespace: namespace, prefix: fmt.Sprintf("burst-%d", round), mustBeReady: true}
			calls := measure.Burst(ctx, n, maker.claim)
			claimed, spans = append(claimed, calls...), append(spans, measure.Span(calls).Seconds())
			ratios = append(ratios, spans[round]/floorSpans[round])
			env.Tell("burst %d: %.3f s, ConfigMaps %.3f s, %d warm, %d cold", round+1, spans[round], floorSpans[round], maker.warm.Load(), maker.cold.Load())
			return nil
		})
		result.AddCalls("claim, answered Ready", claimed)
		result.AddCalls("ConfigMap create", floor)
		result.AddFigure("burst of claims, all Ready (median)", measure.Median(spans), "s")
		result.AddFigure("burst of ConfigMaps (median)", measure.Median(floorSpans), "s")
		result.AddRatio("all-ready", fmt.Sprintf("time until %d claims are Ready ÷ time of %d ConfigMap creates", n, n), ratios...)
		return err
	}
}

// halfColdBurst alternates a warm burst with one on a pool of half the size.
func halfColdBurst(ctx context.Context, env *Env, namespace string, result *report.Result) error {
	n := env.Sized(300)
	if err := env.Pool(ctx, namespace, n); err != nil {
		return err
	}
	var warmCalls, mixedCalls []measure.Call
	var ratios []float64
	run := func(kind string, size int, into *[]measure.Call) func(int) error {
		return func(round int) error {
			if err := env.settleAt(ctx, namespace, size); err != nil {
				return err
			}
			maker := &claimer{env: env, namespace: namespace, prefix: fmt.Sprintf("%s-%d", kind, round)}
			calls := measure.Burst(ctx, n, maker.claim)
			*into = append(*into, calls...)
			env.Tell("%s burst %d: p99 %v, %d warm, %d cold", kind, round+1, measure.Summarize(calls).P99, maker.warm.Load(), maker.cold.Load())
			if kind == "mixed" {
				ratios = append(ratios, ratio(measure.Summarize(calls).P99, measure.Summarize(warmCalls[round*n:]).P99))
			}
			return nil
		}
	}
	err := rounds(ctx, 3, run("warm", n, &warmCalls), run("mixed", n/2, &mixedCalls))
	result.AddCalls("claim of the warm burst, answered", warmCalls)
	result.AddCalls("claim of the half-cold burst, answered", mixedCalls)
	result.AddRatio("p99", "p99 of the answer of the half-cold burst ÷ of the warm burst", ratios...)
	return err
}

// fullAtRest waits until the pool is full and nothing is left to do of filling it.
func (e *Env) fullAtRest(ctx context.Context, namespace string) error {
	if err := e.Full(ctx, namespace, poolName); err != nil {
		return err
	}
	return e.Idle(ctx)
}

// settleAt resizes the pool and waits until it has exactly that many available.
func (e *Env) settleAt(ctx context.Context, namespace string, replicas int) error {
	if err := e.Resize(ctx, namespace, poolName, replicas); err != nil {
		return err
	}
	return e.Until(ctx, "the pool to have its size", func(ctx context.Context) (bool, error) {
		pool, err := e.Client.SandboxV1beta1().SandboxWarmPools(namespace).Get(ctx, poolName, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		return pool.Status.Replicas == int32(replicas) && pool.Status.ReadyReplicas == int32(replicas), nil
	})
}

// throughput alternates 50 busy clients that claim with 50 that create ConfigMaps.
func throughput(ctx context.Context, env *Env, namespace string, result *report.Result) error {
	const clients, poolSize, perRound = 50, 2500, 800
	if err := env.Pool(ctx, namespace, env.Sized(poolSize)); err != nil {
		return err
	}
	var claimed, floor []measure.Call
	var rates, floorRates, ratios []float64
	limit := env.Sized(perRound)
	perSecond := func(calls []measure.Call) float64 { return float64(len(calls)) / measure.Span(calls).Seconds() }
	err := rounds(ctx, 4, func(int) error { return env.fullAtRest(ctx, namespace) }, func(round int) error {
		calls := measure.Closed(ctx, clients, limit, time.Minute, env.createConfigMap(namespace, fmt.Sprintf("floor-%d", round)))
		floor, floorRates = append(floor, calls...), append(floorRates, perSecond(calls))
		return nil
	}, func(round int) error {
		maker := &claimer{env: env, namespace: namespace, prefix: fmt.Sprintf("busy-%d", round), mustBeReady: true}
		calls := measure.Closed(ctx, clients, limit, time.Minute, maker.claim)
		claimed, rates = append(claimed, calls...), append(rates, perSecond(calls))
		ratios = append(ratios, rates[round]/floorRates[round])
		env.Tell("%.0f claims a second, %.0f ConfigMaps a second, %d warm, %d cold", rates[round], floorRates[round], maker.warm.Load(), maker.cold.Load())
		return nil
	})
	result.AddCalls("claim, answered Ready", claimed)
	result.AddCalls("ConfigMap create", floor)
	result.AddFigure("claims", measure.Median(rates), "per second")
	result.AddFigure("ConfigMaps", measure.Median(floorRates), "per second")
	result.AddRatio("per-second", "claims a second ÷ ConfigMap creates a second", ratios...)
	return err
}
