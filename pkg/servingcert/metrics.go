// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

const subsystem = "sandbox_apiserver_serving_certificate"

var (
	expiration = metrics.NewGauge(&metrics.GaugeOpts{
		Subsystem:      subsystem,
		Name:           "expiration_timestamp_seconds",
		Help:           "When the serving certificate of this replica expires, in seconds since 1970. It is renewed at two thirds of its life.",
		StabilityLevel: metrics.ALPHA,
	})
	published = metrics.NewGauge(&metrics.GaugeOpts{
		Subsystem:      subsystem,
		Name:           "published",
		Help:           "1 if the APIService carried the bundle of the Secret when this replica looked last, at most 30 seconds ago.",
		StabilityLevel: metrics.ALPHA,
	})
	selfCheck = metrics.NewGauge(&metrics.GaugeOpts{
		Subsystem:      subsystem,
		Name:           "self_check",
		Help:           "1 if this replica's listener could be verified with the bundle of the APIService when readyz was asked last.",
		StabilityLevel: metrics.ALPHA,
	})

	// registerMetrics is called at run time: only then are the feature gates of the metrics library set.
	registerMetrics = sync.OnceFunc(func() { legacyregistry.MustRegister(expiration, published, selfCheck) })
)

func boolean(value bool) float64 {
	if value {
		return 1
	}
	return 0
}
