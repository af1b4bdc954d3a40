// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/warmindex"
)

// how a claim was answered, as a metric's label.
type how string

const (
	warmly    how = "warm"
	coldly    how = "cold"     // nothing was available
	customly  how = "custom"   // cold, for what the claim asks of its Sandbox
	waits     how = "waiting"  // stored without a Sandbox
	rejected  how = "rejected" // 429: nothing was available and onEmptyPool is Reject
	repeated  how = "repeated" // the claim was stored before
	wasServed how = "served"   // a claim that waited has got its Sandbox
	refused   how = "refused"  // any other 4xx
	failed    how = "error"
)

var (
	claimDuration = metrics.NewHistogramVec(&metrics.HistogramOpts{
		Namespace: "sandbox_apiserver", Subsystem: "claim", Name: "duration_seconds",
		Help: "Time to answer a claim, from its door on and admission included, by outcome: warm, cold (nothing was available), " +
			"custom (cold, for the env or disks of the claim), waiting, rejected (429 of an empty pool), repeated (a claim that was stored before), " +
			"served (a claim that waited got its Sandbox), refused (any other 4xx) or error (5xx). The count is the number of claims. Dry runs are not counted.",
		Buckets:        metrics.ExponentialBuckets(0.0005, 2, 15), // 500 µs to 8 s
		StabilityLevel: metrics.BETA,
	}, []string{"outcome"})
	racesLost = metrics.NewCounter(&metrics.CounterOpts{
		Namespace: "sandbox_apiserver", Subsystem: "claim", Name: "races_lost_total",
		Help:           "Sandboxes that a claim on this replica lost to somebody else; it then tried another.",
		StabilityLevel: metrics.ALPHA,
	})
)

// registerMetrics may run any number of times; the registry keeps the first.
func registerMetrics() {
	_ = legacyregistry.Register(claimDuration)
	_ = legacyregistry.Register(racesLost)
}

// outcome is how a call ended, errors included. Nothing of a claim but an empty pool answers 429.
func outcome(answered how, err error) how {
	status, ok := err.(apierrors.APIStatus)
	switch {
	case err == nil:
		return answered
	case apierrors.IsTooManyRequests(err):
		return rejected
	case ok && status.Status().Code < 500:
		return refused
	}
	return failed
}

// observe counts a call; a dry run spends nothing and is none.
func (c *Claimer) observe(ctx context.Context, r Request, ended how, took time.Duration) {
	if r.Options != nil && dryrun.IsDryRun(r.Options.DryRun) {
		return
	}
	claimDuration.WithLabelValues(string(ended)).Observe(took.Seconds())
	switch ended {
	case warmly, coldly, customly, waits, rejected:
		c.Index.Count(poolOf(ctx, r.Claim), string(ended))
	}
}

func poolOf(ctx context.Context, claim *sandbox.SandboxClaim) warmindex.Key {
	return warmindex.Key{Namespace: request.NamespaceValue(ctx), Name: claim.Spec.WarmPoolRef.Name}
}
