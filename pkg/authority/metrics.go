// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

const subsystem = "sandbox_apiserver_certificate_authority"

var (
	expiration = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Subsystem: subsystem,
		Name:      "expiration_timestamp_seconds",
		Help: "When the authority that signs expires, in seconds since 1970, by the Secret that holds it. Its rotation begins when a " +
			"fifth of its life is left.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"secret"})
	authorities = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Subsystem:      subsystem,
		Name:           "bundle_size",
		Help:           "Number of authorities in the bundle, by Secret: 2 while a rotation is under way.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"secret"})
	syncFailed = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Subsystem:      subsystem,
		Name:           "sync_failed",
		Help:           "1 if the Secret could not be read, understood or written the last time, by Secret. The log has the reason.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"secret"})

	register = sync.OnceFunc(func() { legacyregistry.MustRegister(expiration, authorities, syncFailed) })
)

func (a *Authority) observe(err error) {
	register()
	failed := 0.0
	if err != nil {
		failed = 1
	}
	syncFailed.WithLabelValues(a.options.Name).Set(failed)
}

func (a *Authority) observeExpiry(s *state) {
	register()
	expiration.WithLabelValues(a.options.Name).Set(float64(s.signer.certificate.NotAfter.Unix()))
	authorities.WithLabelValues(a.options.Name).Set(float64(len(s.authorities())))
}
