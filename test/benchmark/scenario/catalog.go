// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"errors"
	"fmt"

	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/measure"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/report"
)

// Scenario is one question with its floor beside it.
type Scenario struct {
	Name, About string
	// Replicas of the server that it needs; 0 means one.
	Replicas int
	// Nodes that it needs where the usual number is not enough.
	Nodes int
	// Spoils says that it leaves more behind than can be deleted in less time than a new cluster takes.
	Spoils bool
	// Long is left out unless asked for by name or by --all.
	Long bool
	run  question
}

// question asks a cluster and notes what it answers. The namespace is its own.
type question func(ctx context.Context, env *Env, namespace string, result *report.Result) error

// Catalog lists all scenarios, in the order in which they run.
func Catalog() []Scenario {
	return []Scenario{
		{Name: "floors", About: "What etcd, kube-apiserver and the aggregation layer cost by themselves, with 1, 50 and 300 requests in flight.", run: floors},
		{Name: "claim", About: "One claim at a time on an idle server, each beside one ConfigMap create, one transaction of etcd and one request that is only passed through.", run: unloadedClaim},
		{Name: "rate-2", About: "2 claims a second, whether answers come or not, on a pool of 200 that is refilled meanwhile.", run: openLoop(2)},
		{Name: "rate-20", About: "20 claims a second, whether answers come or not, on a pool of 200 that is refilled meanwhile.", run: openLoop(20)},
		{Name: "rate-100", About: "100 claims a second, whether answers come or not, on a pool of 200 that is refilled meanwhile.", Spoils: true, run: openLoop(100)},
		{Name: "rate-highest", About: "The highest rate of claims at which p99 stays at 100 ms or less, refill going on.", run: highestRate},
		{Name: "burst", About: "300 claims at once on a pool of 300, beside 300 ConfigMap creates at once.", run: burst(300, 300)},
		{Name: "burst-half-cold", About: "300 claims at once on a pool of 150: half of them start cold.", run: halfColdBurst},
		{Name: "throughput", About: "50 clients that claim as fast as they are answered, on a pool too large to drain, beside the same with ConfigMaps.", Spoils: true, run: throughput},
		{Name: "fill", About: "A pool grows from 0 to 1,000, and is refilled after a burst of 300.", run: fill},
		{Name: "lifecycle", About: "Create, suspend, resume and a cold claim until Ready, beside a bare Pod.", run: lifecycle},
		{Name: "writes", About: "What 100 warm claims write, replenishment included.", run: writes},
		{Name: "growth", About: "Claims, lists, watches and memory with 300, 1,000, 10,000 and 50,000 Sandboxes stored.", Spoils: true, run: growth},
		{Name: "pools-large", About: "Claims from one pool of 5,000.", Long: true, Spoils: true, run: largePool},
		{Name: "pools-many", About: "Claims from 500 pools of 40.", Long: true, Spoils: true, Nodes: 200, run: manyPools},
		{Name: "burst-replicas", About: "300 claims at once on a pool of 300, through three replicas.", Replicas: 3, run: burst(300, 300)},
	}
}

// Run runs the scenario and returns what it found.
func (s Scenario) Run(ctx context.Context, env *Env) (*report.Result, error) {
	result := &report.Result{Scenario: s.Name, About: s.About}
	processes, err := measure.Begin(env.Processes())
	if err != nil {
		return nil, err
	}
	if err := s.ask(ctx, env, result); err != nil {
		return nil, fmt.Errorf("running scenario %s: %w", s.Name, err)
	}
	result.Usage = processes.End()
	return result, nil
}

// ask gives the question a namespace, and takes back all that it leaves, unless it spoils the cluster.
func (s Scenario) ask(ctx context.Context, env *Env, result *report.Result) error {
	namespace, err := env.namespace(ctx, s.Name)
	if err != nil {
		return err
	}
	if s.Spoils {
		return s.run(ctx, env, namespace, result)
	}
	return errors.Join(s.run(ctx, env, namespace, result), env.clean(context.WithoutCancel(ctx), namespace))
}

// rounds runs an operation several times in alternation with another, so that what
// else happens on the machine meets both alike.
func rounds(ctx context.Context, n int, operations ...func(round int) error) error {
	for round := range n {
		for _, operation := range operations {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := operation(round); err != nil {
				return err
			}
		}
	}
	return nil
}
