// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// Why a Pod was deleted. The values are part of the metric.
const (
	whySuspended = "suspended"
	whyExpired   = "expired"
	whyDeleted   = "deleted"
	whyLost      = "lost"
	whyNodeGone  = "node_gone"
	whyFinished  = "finished" // it ran although the Sandbox had ended
)

var (
	podCreations = metrics.NewCounter(&metrics.CounterOpts{
		Namespace:      "sandbox_apiserver",
		Subsystem:      "sandbox",
		Name:           "pod_creations_total",
		Help:           "Pods made for Sandboxes. Reported by the leader.",
		StabilityLevel: metrics.ALPHA,
	})
	podDeletions = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace:      "sandbox_apiserver",
		Subsystem:      "sandbox",
		Name:           "pod_deletions_total",
		Help:           "Pods of Sandboxes deleted, by reason (suspended, expired, deleted, lost, node_gone, finished). Reported by the leader.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"reason"})
	takenBackChildren = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace:      "sandbox_apiserver",
		Name:           "children_taken_back_total",
		Help:           "Pods and Services of Sandboxes that had lost their controller reference and were given it again, by resource (pods, services).",
		StabilityLevel: metrics.ALPHA,
	}, []string{"resource"})
)

// registerMetrics is called at run time: only then are the feature gates of the metrics library set.
var registerMetrics = sync.OnceFunc(func() { legacyregistry.MustRegister(podCreations, podDeletions, takenBackChildren) })
