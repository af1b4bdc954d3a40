// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"k8s.io/component-base/tracing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// slow is when a span is worth a line in the log, as in the etcd3 store.
const slow = 500 * time.Millisecond

// watched makes a call with a span around it and counts how it ended.
func (c *Claimer) watched(
	ctx context.Context, r Request, call func(context.Context, Request) (*sandbox.SandboxClaim, how, error),
) (*sandbox.SandboxClaim, error) {
	start := time.Now()
	ctx, span := tracing.Start(ctx, "Claim", attribute.String("pool", poolOf(ctx, r.Claim).String()))
	defer span.End(slow)
	answer, answered, err := call(ctx, r)
	ended := outcome(answered, err)
	span.AddEvent("Answered", attribute.String("outcome", string(ended)))
	c.observe(ctx, r, ended, time.Since(start))
	return answer, err
}

// again is how a claim that was stored before is answered. Only the server serves.
func again(ctx context.Context, stored *sandbox.SandboxClaim) how {
	if byServer(ctx) && stored != nil && decided(stored) {
		return wasServed
	}
	return repeated
}
