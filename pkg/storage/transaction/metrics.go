// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// result is the label under which a transaction is counted.
type result string

const (
	resultCommitted     result = "committed"
	resultOuterConflict result = "outer_conflict"
	resultInnerConflict result = "inner_conflict"
	resultError         result = "error"
	resultUnknown       result = "unknown"
)

var commitDuration = metrics.NewHistogramVec(&metrics.HistogramOpts{
	Namespace: "sandbox_apiserver",
	Subsystem: "transaction",
	Name:      "duration_seconds",
	Help: "Time etcd took for transactions that join the writes of two objects, by result: committed, outer_conflict, " +
		"inner_conflict, error (refused, nothing written) or unknown (answer lost). The count is the number of transactions.",
	Buckets:        metrics.ExponentialBuckets(0.0005, 2, 14),
	StabilityLevel: metrics.BETA,
}, []string{"result"})

// registerMetrics may run any number of times; the registry keeps the first.
func registerMetrics() {
	_ = legacyregistry.Register(commitDuration)
}
