// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

var (
	waitingClaims = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace:      "sandbox_apiserver",
		Subsystem:      "warmpool",
		Name:           "waiting_claims",
		Help:           "Claims that wait for a Sandbox, by namespace and pool. Only the leader counts; a pool for which none waits has no series.",
		StabilityLevel: metrics.BETA,
	}, []string{"namespace", "pool"})
	coldStartDuration = metrics.NewHistogram(&metrics.HistogramOpts{
		Namespace:      "sandbox_apiserver",
		Subsystem:      "claim",
		Name:           "cold_start_duration_seconds",
		Help:           "Time from the creation of a claim that started cold until it was first Ready, to the second. Reported by the leader.",
		Buckets:        metrics.ExponentialBuckets(0.5, 2, 12), // 0.5 s to 17 min
		StabilityLevel: metrics.BETA,
	})
)

// registerMetrics is called at run time: only then are the feature gates of the metrics library set.
var registerMetrics = sync.OnceFunc(func() { legacyregistry.MustRegister(waitingClaims, coldStartDuration) })

func countWaiting(pool worker.Key, claims int) {
	if claims == 0 {
		waitingClaims.Delete(map[string]string{"namespace": pool.Namespace, "pool": pool.Name})
		return
	}
	waitingClaims.WithLabelValues(pool.Namespace, pool.Name).Set(float64(claims))
}

// observeReady measures a cold start that has just come to its end.
func observeReady(before *v1beta1.SandboxClaim, after v1beta1.SandboxClaimStatus, now time.Time) {
	if after.Sandbox == nil || after.Sandbox.LaunchType != v1beta1.LaunchCold ||
		!meta.IsStatusConditionTrue(after.Conditions, v1beta1.ConditionReady) || !neverReady(before) {
		return
	}
	coldStartDuration.Observe(now.Sub(before.CreationTimestamp.Time).Seconds())
}

// neverReady: the condition is still in the state that it was stored with. The
// times have seconds, and the claim may have been stored at the turn of one.
func neverReady(claim *v1beta1.SandboxClaim) bool {
	ready := meta.FindStatusCondition(claim.Status.Conditions, v1beta1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionFalse &&
		ready.LastTransitionTime.Sub(claim.CreationTimestamp.Time) <= time.Second
}
