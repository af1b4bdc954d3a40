// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/measure"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/report"
)

// grower stores more and more suspended Sandboxes, which have no Pods, and asks the same
// questions at each size.
type grower struct {
	env                   *Env
	result                *report.Result
	stored, claims        string // namespaces
	count                 int
	first                 time.Duration
	claimP50, memory      []report.Point
	listAll, startOfWatch []report.Point
}

// growth keeps what is only stored in a namespace of its own: a pool is not to look for
// its members among it.
func growth(ctx context.Context, env *Env, namespace string, result *report.Result) error {
	stored, err := env.namespace(ctx, "stored")
	if err != nil {
		return err
	}
	g := &grower{env: env, result: result, stored: stored, claims: namespace}
	return g.run(ctx)
}

func (g *grower) run(ctx context.Context) error {
	if err := g.env.fullPool(ctx, g.claims, 20); err != nil {
		return err
	}
	for _, size := range []int{300, 1_000, 10_000, 50_000} {
		if err := g.growTo(ctx, g.env.Sized(size)); err != nil {
			return err
		}
		if err := g.ask(ctx); err != nil {
			return err
		}
	}
	g.conclude()
	return nil
}

func (g *grower) growTo(ctx context.Context, size int) error {
	offset := g.count
	calls := measure.Closed(ctx, 30, size-offset, settleTimeout, func(ctx context.Context, i int) error {
		sandbox := newSandbox(fmt.Sprintf("stored-%d", offset+i))
		sandbox.Spec.OperatingMode = v1beta1.SandboxSuspended
		_, err := g.env.Client.SandboxV1beta1().Sandboxes(g.stored).Create(ctx, sandbox, metav1.CreateOptions{})
		return err
	})
	if stored := len(calls) - measure.Failed(calls); stored != size-offset {
		return fmt.Errorf("storing %d Sandboxes: %d of %d were stored in time", size, stored, size-offset)
	}
	g.count = size
	g.result.AddFigure(fmt.Sprintf("creating up to %d", size), float64(len(calls))/measure.Span(calls).Seconds(), "Sandboxes/s")
	return g.env.Until(ctx, "all to be suspended", func(ctx context.Context) (bool, error) {
		last, err := g.env.Client.SandboxV1beta1().Sandboxes(g.stored).Get(ctx, fmt.Sprintf("stored-%d", size-1), metav1.GetOptions{})
		return err == nil && len(last.Status.Conditions) > 0, err
	})
}

func (g *grower) ask(ctx context.Context) error {
	env, label := g.env, fmt.Sprintf("%d stored", g.count)
	if err := env.Full(ctx, g.claims, poolName); err != nil {
		return err
	}
	if err := env.Idle(ctx); err != nil {
		return err
	}
	claims := &claimer{env: env, namespace: g.claims, prefix: fmt.Sprintf("at-%d", g.count), mustBeReady: true}
	series := env.alternate(ctx, env.Sized(120), claims.claim, env.createConfigMap(g.claims, fmt.Sprintf("floor-%d", g.count)))
	claimed := g.result.AddCalls("claim, "+label, series[0])
	g.result.AddCalls("ConfigMap create, "+label, series[1])
	if g.first == 0 {
		g.first = claimed.P50
	}
	sandboxes := env.Client.SandboxV1beta1().Sandboxes(g.stored)
	list := func(options metav1.ListOptions) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			_, err := sandboxes.List(ctx, options)
			return err
		}
	}
	full := g.result.AddCalls("LIST all, "+label, measure.Closed(ctx, 1, 3, time.Minute, list(metav1.ListOptions{})))
	g.result.AddCalls("LIST a page of 500, "+label, measure.Closed(ctx, 1, 10, time.Minute, list(metav1.ListOptions{Limit: 500})))
	byName := metav1.ListOptions{FieldSelector: "spec.claimRef.name=nobody"}
	g.result.AddCalls("LIST by field selector, "+label, measure.Closed(ctx, 1, 10, time.Minute, list(byName)))
	started := g.result.AddCalls("watch until the initial events end, "+label, measure.Closed(ctx, 1, 3, time.Minute, g.watchList))
	memory, err := measure.Memory(env.Processes()[binaries.SandboxAPIServer])
	if err != nil {
		return err
	}
	x := float64(g.count)
	g.claimP50 = append(g.claimP50, report.Point{X: x, Y: report.Milliseconds(claimed.P50)})
	g.listAll = append(g.listAll, report.Point{X: x, Y: report.Milliseconds(full.P50)})
	g.startOfWatch = append(g.startOfWatch, report.Point{X: x, Y: report.Milliseconds(started.P50)})
	g.memory = append(g.memory, report.Point{X: x, Y: float64(memory) / (1 << 20)})
	env.Tell("%s: claim p50 %v, LIST %v, watch %v, memory %d MiB", label, claimed.P50, full.P50, started.P50, memory>>20)
	return nil
}

// watchList opens a watch that begins with everything there is, as informers do, and
// ends it at the bookmark that says so.
func (g *grower) watchList(ctx context.Context, _ int) error {
	yes := true
	watcher, err := g.env.Client.SandboxV1beta1().Sandboxes(g.stored).Watch(ctx, metav1.ListOptions{
		SendInitialEvents: &yes, AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		if event.Type == watch.Bookmark {
			return nil
		}
	}
	return errors.New("the watch ended before its initial events did")
}

func (g *grower) conclude() {
	last := len(g.claimP50) - 1
	largest := g.memory[last]
	g.result.AddRatio("claim-p50", "p50 of a claim with 50,000 stored ÷ with 300", g.claimP50[last].Y/report.Milliseconds(g.first))
	g.result.AddRatio("memory-mib", "resident memory of the server with 50,000 stored, in MiB", largest.Y)
	g.result.AddFigure("memory per stored Sandbox", (largest.Y-g.memory[0].Y)*(1<<20)/(largest.X-g.memory[0].X), "bytes")
	for _, curve := range []report.Curve{
		{Name: "claim p50", YLabel: "ms", Points: g.claimP50},
		{Name: "LIST all", YLabel: "ms", Points: g.listAll},
		{Name: "watch start", YLabel: "ms", Points: g.startOfWatch},
		{Name: "memory of the server", YLabel: "MiB", Points: g.memory},
	} {
		curve.XLabel = "Sandboxes stored"
		g.result.Curves = append(g.result.Curves, curve)
	}
}
