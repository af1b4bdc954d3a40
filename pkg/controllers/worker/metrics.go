// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	// Makes every named workqueue report depth, latency, retries and so on.
	_ "k8s.io/component-base/metrics/prometheus/workqueue"
)

// outcome is the result label of a sync. Its values are part of the metric: dashboards select by them.
type outcome string

const (
	succeeded outcome = "success"
	requeued  outcome = "requeue"   // a success that asked to be called again
	conflict  outcome = "conflict"  // somebody else wrote first: normal, retried
	failed    outcome = "error"     // retried
	panicked  outcome = "panic"     // retried
	cancelled outcome = "cancelled" // the term ended during the sync
)

var syncDuration = metrics.NewHistogramVec(&metrics.HistogramOpts{
	Namespace:      "sandbox_apiserver",
	Subsystem:      "controller",
	Name:           "sync_duration_seconds",
	Help:           "Time that the sync of one key took, by controller and result (success, requeue, conflict, error, panic, cancelled).",
	Buckets:        metrics.ExponentialBuckets(0.001, 2, 15), // 1 ms to 16 s
	StabilityLevel: metrics.BETA,
}, []string{"controller", "result"})

// register is called at run time, not at init: only then are the feature gates of the metrics library set.
var register = sync.OnceFunc(func() { legacyregistry.MustRegister(syncDuration) })
