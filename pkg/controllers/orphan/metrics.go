// SPDX-License-Identifier: Apache-2.0

package orphan

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

const namespace = "sandbox_apiserver"

var (
	orphans = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace:      namespace,
		Name:           "orphans",
		Help:           "Pods and Services that were made for a Sandbox which does not exist. Reported by the leader.",
		StabilityLevel: metrics.ALPHA,
	})
	sweepStopped = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace:      namespace,
		Name:           "orphan_sweep_stopped",
		Help:           "1 while there are too many orphans to believe it, so none is deleted: an administrator has to decide. Reported by the leader.",
		StabilityLevel: metrics.ALPHA,
	})
	deletions = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace:      namespace,
		Name:           "orphan_deletions_total",
		Help:           "Orphans deleted, by resource (pods, services).",
		StabilityLevel: metrics.ALPHA,
	}, []string{"resource"})
)

// registerMetrics is called at run time: only then are the feature gates of the metrics library set.
var registerMetrics = sync.OnceFunc(func() { legacyregistry.MustRegister(orphans, sweepStopped, deletions) })

func report(p plan) {
	orphans.Set(float64(p.share.missing))
	stopped := 0.0
	if p.memory.stopped {
		stopped = 1
	}
	sweepStopped.Set(stopped)
}
