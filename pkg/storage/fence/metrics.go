// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"time"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

const (
	namespace = "sandbox_apiserver"
	subsystem = "storage_fence"
)

var (
	green = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "green", StabilityLevel: metrics.ALPHA,
		Help: "1 while this replica serves; 0 while it answers 503 to everything because etcd may not be the right one, with the reason.",
	}, []string{"reason"})
	lastCheck = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "last_check_timestamp_seconds", StabilityLevel: metrics.ALPHA,
		Help: "When etcd was last looked at and answered.",
	})
	epochCreated = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "epoch_created_timestamp_seconds", StabilityLevel: metrics.ALPHA,
		Help: "When the epoch in etcd began: at the first start, or at the last confirmation of a loss.",
	})
	lossConfirmed = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "loss_confirmed_timestamp_seconds", StabilityLevel: metrics.ALPHA,
		Help: "When it was last confirmed that something of etcd was lost; 0 if never.",
	})
	beats = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "beats_total", StabilityLevel: metrics.ALPHA,
		Help: "Beats that this replica wrote while it led, by result: success, or error.",
	}, []string{"result"})
)

// registerMetrics may run any number of times; the registry keeps the first.
func registerMetrics() {
	_ = legacyregistry.Register(green)
	_ = legacyregistry.Register(lastCheck)
	_ = legacyregistry.Register(epochCreated)
	_ = legacyregistry.Register(lossConfirmed)
	_ = legacyregistry.Register(beats)
}

func observeGate(refusal *Refusal) {
	green.Reset()
	if refusal == nil {
		green.WithLabelValues("").Set(1)
		return
	}
	green.WithLabelValues(string(refusal.Reason)).Set(0)
}

func observeLoss(at time.Time) {
	if at.IsZero() {
		lossConfirmed.Set(0)
		return
	}
	lossConfirmed.Set(float64(at.Unix()))
}
