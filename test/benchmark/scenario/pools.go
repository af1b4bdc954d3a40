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

// fill times a pool on its way to 1,000, and again after a burst.
func fill(ctx context.Context, env *Env, namespace string, result *report.Result) error {
	if err := env.Pool(ctx, namespace, 0); err != nil {
		return err
	}
	size, taken := env.Sized(1000), env.Sized(300)
	begin := time.Now()
	if err := env.Resize(ctx, namespace, poolName, size); err != nil {
		return err
	}
	if err := env.Full(ctx, namespace, poolName); err != nil {
		return err
	}
	took := time.Since(begin).Seconds()
	result.AddFigure(fmt.Sprintf("0 → %d available", size), took, "s")
	result.AddFigure("Sandboxes made available", float64(size)/took, "per second")

	maker := &claimer{env: env, namespace: namespace, prefix: "burst", mustBeReady: true}
	begin = time.Now()
	result.AddCalls("claim of the burst", measure.Burst(ctx, taken, maker.claim))
	if err := env.Full(ctx, namespace, poolName); err != nil {
		return err
	}
	result.AddFigure(fmt.Sprintf("full again after a burst of %d", taken), time.Since(begin).Seconds(), "s")
	return env.barePods(ctx, namespace, taken, result)
}

// barePods is the floor of filling: as many Pods, made at once by hand, until all are Ready.
func (e *Env) barePods(ctx context.Context, namespace string, n int, result *report.Result) error {
	pods := e.Kube.CoreV1().Pods(namespace)
	begin := time.Now()
	made := measure.Closed(ctx, 10, n, settleTimeout, func(ctx context.Context, i int) error {
		pod := newPod(fmt.Sprintf("bare-%d", i))
		pod.Labels = map[string]string{"bench": "bare"}
		_, err := pods.Create(ctx, pod, metav1.CreateOptions{})
		return err
	})
	if failed := measure.Failed(made); failed > 0 {
		return fmt.Errorf("making %d bare Pods: %d were refused", n, failed)
	}
	err := e.Until(ctx, "the bare Pods to be Ready", func(ctx context.Context) (bool, error) {
		list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: "bench=bare", ResourceVersion: "0"})
		if err != nil {
			return false, err
		}
		ready := 0
		for i := range list.Items {
			if podReady(&list.Items[i]) {
				ready++
			}
		}
		return ready == n, nil
	})
	result.AddFigure(fmt.Sprintf("%d bare Pods made by hand until all are Ready", n), time.Since(begin).Seconds(), "s")
	return err
}

// writes counts what warm claims write, in both etcds.
func writes(ctx context.Context, env *Env, namespace string, result *report.Result) error {
	n := env.Sized(100)
	if err := env.fullPool(ctx, namespace, 2*n); err != nil {
		return err
	}
	count := func() (own, cluster int64, err error) {
		if own, err = env.Revision(ctx); err != nil {
			return 0, 0, err
		}
		cluster, err = env.ClusterRevision(ctx)
		return own, cluster, err
	}
	own, cluster, err := count()
	if err != nil {
		return err
	}
	maker := &claimer{env: env, namespace: namespace, prefix: "counted", mustBeReady: true}
	calls := measure.Paced(ctx, n, 50*time.Millisecond, maker.claim)
	result.AddCalls("claim", calls)
	if err := env.Full(ctx, namespace, poolName); err != nil {
		return err
	}
	ownAfter, clusterAfter, err := count()
	if err != nil {
		return err
	}
	maker.counts(result)
	result.AddRatio("own-per-claim", "writes in the server's etcd a claim", float64(ownAfter-own)/float64(n))
	result.AddFigure("writes in the cluster's etcd a claim, those of scheduler, node and others included", float64(clusterAfter-cluster)/float64(n), "")
	return nil
}

// largePool claims from one pool of 5,000.
func largePool(ctx context.Context, env *Env, namespace string, result *report.Result) error {
	return env.claimFromPools(ctx, namespace, result, pools{1, env.Sized(5000)})
}

// manyPools claims from 500 pools in turn.
func manyPools(ctx context.Context, env *Env, namespace string, result *report.Result) error {
	return env.claimFromPools(ctx, namespace, result, pools{env.Sized(500), 40})
}

// pools are so many, each of one size.
type pools struct{ count, size int }

func (e *Env) claimFromPools(ctx context.Context, namespace string, result *report.Result, wanted pools) error {
	if err := e.Pool(ctx, namespace, wanted.size); err != nil {
		return err
	}
	names := []string{poolName}
	for i := 1; i < wanted.count; i++ {
		name := fmt.Sprintf("%s-%d", poolName, i)
		if err := e.AnotherPool(ctx, namespace, name, wanted.size); err != nil {
			return err
		}
		names = append(names, name)
	}
	begin := time.Now()
	for _, name := range names {
		if err := e.Full(ctx, namespace, name); err != nil {
			return err
		}
	}
	result.AddFigure("until all pools are full", time.Since(begin).Seconds(), "s")
	series := e.alternate(ctx, e.Sized(300), func(ctx context.Context, i int) error {
		claim := newClaim(fmt.Sprintf("claim-%d", i))
		claim.Spec.WarmPoolRef.Name = names[i%len(names)]
		answer, err := e.Client.SandboxV1beta1().SandboxClaims(namespace).Create(ctx, claim, metav1.CreateOptions{})
		if err == nil && !claimReady(answer) {
			err = errNotReady
		}
		return err
	}, e.createConfigMap(namespace, "floor"))
	claimed := result.AddCalls("claim, answered Ready", series[0])
	floor := result.AddCalls("ConfigMap create", series[1])
	result.AddRatio("p50", "p50 of a claim answered Ready ÷ p50 of a ConfigMap create", ratio(claimed.P50, floor.P50))
	return nil
}
