// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

const subsystem = "sandbox_apiserver"

var (
	deadNamespaces = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace:      subsystem,
		Name:           "dead_namespaces",
		Help:           "Namespaces that do not exist any more, or not the same, and of which there still are Sandboxes, claims, pools or templates. Reported by the leader.",
		StabilityLevel: metrics.ALPHA,
	})
	stopped = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace:      subsystem,
		Name:           "janitor_stopped",
		Help:           "1 while there are too many dead namespaces to believe it, so nothing of them is deleted: an administrator has to decide. Reported by the leader.",
		StabilityLevel: metrics.ALPHA,
	})
	deletions = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace:      subsystem,
		Name:           "dead_namespace_deletions_total",
		Help:           "Objects of dead namespaces deleted, by resource (sandboxwarmpools, sandboxes, sandboxclaims, sandboxtemplates).",
		StabilityLevel: metrics.ALPHA,
	}, []string{"resource"})
)

// registerMetrics is called at run time: only then are the feature gates of the metrics library set.
var registerMetrics = sync.OnceFunc(func() { legacyregistry.MustRegister(deadNamespaces, stopped, deletions) })

func report(p plan) {
	deadNamespaces.Set(float64(p.dead))
	value := 0.0
	if p.memory.stopped {
		value = 1
	}
	stopped.Set(value)
}
