// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"sync"

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

const subsystem = "sandbox_warmpool"

var (
	desiredReplicas = newSize("desired_replicas", "Unclaimed Sandboxes that a pool asks for.")
	readyReplicas   = newSize("ready_replicas", "Unclaimed Sandboxes of a pool that are Ready.")
	staleReplicas   = newSize("stale_replicas", "Unclaimed Sandboxes of a pool that were made from an earlier template.")

	refillDuration = metrics.NewHistogram(&metrics.HistogramOpts{
		Subsystem:      subsystem,
		Name:           "refill_duration_seconds",
		Help:           "Time from the moment that a claim drew a Sandbox from a pool until another one was Ready in its place.",
		Buckets:        metrics.ExponentialBuckets(0.25, 2, 13), // 250 ms to 17 min
		StabilityLevel: metrics.ALPHA,
	})
	creations = metrics.NewCounterVec(&metrics.CounterOpts{
		Subsystem:      subsystem,
		Name:           "creations_total",
		Help:           "Sandboxes asked for to fill pools, by result (success, refused, unknown).",
		StabilityLevel: metrics.ALPHA,
	}, []string{"result"})
	deletions = metrics.NewCounterVec(&metrics.CounterOpts{
		Subsystem:      subsystem,
		Name:           "deletions_total",
		Help:           "Sandboxes deleted from pools, by reason (surplus, stale, finished, stuck).",
		StabilityLevel: metrics.ALPHA,
	}, []string{"reason"})
)

func newSize(name, help string) *metrics.GaugeVec {
	return metrics.NewGaugeVec(&metrics.GaugeOpts{
		Subsystem:      subsystem,
		Name:           name,
		Help:           help + " Reported by the leader.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"namespace", "pool"})
}

// registerMetrics is called at run time: only then are the feature gates of the metrics library set.
var registerMetrics = sync.OnceFunc(func() {
	legacyregistry.MustRegister(desiredReplicas, readyReplicas, staleReplicas, refillDuration, creations, deletions)
})

func setSizes(pool worker.Key, desired int, status v1beta1.SandboxWarmPoolStatus) {
	desiredReplicas.WithLabelValues(pool.Namespace, pool.Name).Set(float64(desired))
	readyReplicas.WithLabelValues(pool.Namespace, pool.Name).Set(float64(status.ReadyReplicas))
	staleReplicas.WithLabelValues(pool.Namespace, pool.Name).Set(float64(status.StaleReplicas))
}

func forgetSizes(pool worker.Key) {
	for _, size := range []*metrics.GaugeVec{desiredReplicas, readyReplicas, staleReplicas} {
		size.DeleteLabelValues(pool.Namespace, pool.Name)
	}
}

// resetSizes removes all pools: they are another replica's to report.
func resetSizes() {
	for _, size := range []*metrics.GaugeVec{desiredReplicas, readyReplicas, staleReplicas} {
		size.Reset()
	}
}
