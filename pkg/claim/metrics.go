// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// how a claim was answered, as a metric's label.
type how string

const (
	warmly  how = "warm"
	coldly  how = "cold"
	waits   how = "waiting"
	refused how = "refused"
	failed  how = "error"
)

var (
	claimDuration = metrics.NewHistogramVec(&metrics.HistogramOpts{
		Namespace: "sandbox", Subsystem: "claim", Name: "duration_seconds",
		Help:           "Time to answer a claim, admission included, by how it was answered: warm, cold, waiting, refused (4xx) or error. The count is the number of claims.",
		Buckets:        metrics.ExponentialBuckets(0.0005, 2, 14),
		StabilityLevel: metrics.ALPHA,
	}, []string{"answer"})
	racesLost = metrics.NewCounter(&metrics.CounterOpts{
		Namespace: "sandbox", Subsystem: "claim", Name: "races_lost_total",
		Help:           "Sandboxes that a claim on this replica lost to somebody else; it then tried another.",
		StabilityLevel: metrics.ALPHA,
	})
)

// registerMetrics may run any number of times; the registry keeps the first.
func registerMetrics() {
	_ = legacyregistry.Register(claimDuration)
	_ = legacyregistry.Register(racesLost)
}

func observe(answer how, err error, took time.Duration) {
	if err != nil {
		answer = failed
		if status, ok := err.(apierrors.APIStatus); ok && status.Status().Code < 500 {
			answer = refused
		}
	}
	claimDuration.WithLabelValues(string(answer)).Observe(took.Seconds())
}
