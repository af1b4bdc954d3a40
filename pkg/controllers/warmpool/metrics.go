// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// What came of a create. The values are part of the metric.
const (
	succeeded  = "success"
	rejected   = "refused"
	unanswered = "unknown" // it may have been done
)

var (
	desiredReplicas = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace:      "sandbox_apiserver",
		Subsystem:      "warmpool",
		Name:           "desired_replicas",
		Help:           "Unclaimed Sandboxes that a pool asks for. Reported by the leader.",
		StabilityLevel: metrics.BETA,
	}, []string{"namespace", "pool"})
	readyReplicas = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace:      "sandbox_apiserver",
		Subsystem:      "warmpool",
		Name:           "ready_replicas",
		Help:           "Unclaimed Sandboxes of a pool that are Ready. Reported by the leader.",
		StabilityLevel: metrics.BETA,
	}, []string{"namespace", "pool"})
	staleReplicas = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace:      "sandbox_apiserver",
		Subsystem:      "warmpool",
		Name:           "stale_replicas",
		Help:           "Unclaimed Sandboxes of a pool that were made from an earlier template. Reported by the leader.",
		StabilityLevel: metrics.BETA,
	}, []string{"namespace", "pool"})
	withheldReplicas = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace: "sandbox_apiserver",
		Subsystem: "warmpool",
		Name:      "withheld_replicas",
		Help: "Sandboxes of a pool that were made before a loss of etcd was confirmed, so that a claim that was lost may use them: " +
			"neither offered nor counted nor deleted until somebody decides. Reported by the leader.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"namespace", "pool"})
	stuckPools = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace: "sandbox_apiserver",
		Subsystem: "warmpool",
		Name:      "stuck",
		Help: "1 for a pool that is not what it should be and that time will not cure, with the reason of its condition Progressing " +
			"(TemplateNotFound, FailedCreate, SandboxesFail, SandboxesBlocked). Other pools have no series. Reported by the leader.",
		StabilityLevel: metrics.BETA,
	}, []string{"namespace", "pool", "reason"})

	refillDuration = metrics.NewHistogram(&metrics.HistogramOpts{
		Namespace:      "sandbox_apiserver",
		Subsystem:      "warmpool",
		Name:           "refill_duration_seconds",
		Help:           "Time from the moment that a claim drew a Sandbox from a pool until another one was Ready in its place. Reported by the leader.",
		Buckets:        metrics.ExponentialBuckets(0.25, 2, 13), // 250 ms to 17 min
		StabilityLevel: metrics.BETA,
	})
	creations = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace:      "sandbox_apiserver",
		Subsystem:      "warmpool",
		Name:           "creations_total",
		Help:           "Sandboxes asked for to fill pools, by result (success, refused, unknown). Reported by the leader.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"result"})
	deletions = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace:      "sandbox_apiserver",
		Subsystem:      "warmpool",
		Name:           "deletions_total",
		Help:           "Sandboxes deleted from pools, by reason (surplus, stale, finished, stuck). Reported by the leader.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"reason"})
)

// registerMetrics is called at run time: only then are the feature gates of the metrics library set.
var registerMetrics = sync.OnceFunc(func() {
	legacyregistry.MustRegister(desiredReplicas, readyReplicas, staleReplicas, withheldReplicas, stuckPools, refillDuration, creations, deletions)
})

// reasonsStuck are those of Progressing=False.
var reasonsStuck = []string{reasonTemplateNotFound, reasonFailedCreate, reasonSandboxesFail, reasonSandboxesBlocked}

func setSizes(pool worker.Key, seen observed, status v1beta1.SandboxWarmPoolStatus) {
	desiredReplicas.WithLabelValues(pool.Namespace, pool.Name).Set(float64(seen.replicas))
	withheldReplicas.WithLabelValues(pool.Namespace, pool.Name).Set(float64(seen.withheld))
	readyReplicas.WithLabelValues(pool.Namespace, pool.Name).Set(float64(status.ReadyReplicas))
	staleReplicas.WithLabelValues(pool.Namespace, pool.Name).Set(float64(status.StaleReplicas))
	progressing := meta.FindStatusCondition(status.Conditions, v1beta1.ConditionProgressing)
	for _, reason := range reasonsStuck {
		if progressing != nil && progressing.Status == metav1.ConditionFalse && progressing.Reason == reason {
			stuckPools.WithLabelValues(pool.Namespace, pool.Name, reason).Set(1)
		} else {
			stuckPools.DeleteLabelValues(pool.Namespace, pool.Name, reason)
		}
	}
}

// forgetSizes ends the series of a pool.
func forgetSizes(pool worker.Key) {
	for _, size := range []*metrics.GaugeVec{desiredReplicas, readyReplicas, staleReplicas, withheldReplicas} {
		size.DeleteLabelValues(pool.Namespace, pool.Name)
	}
	for _, reason := range reasonsStuck {
		stuckPools.DeleteLabelValues(pool.Namespace, pool.Name, reason)
	}
}

// resetSizes removes all pools: they are another replica's to report.
func resetSizes() {
	for _, of := range []*metrics.GaugeVec{desiredReplicas, readyReplicas, staleReplicas, withheldReplicas, stuckPools} {
		of.Reset()
	}
}
