// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"time"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/storage/transaction"
)

// waiting stores a claim without a Sandbox.
type waiting struct {
	pool string
	now  func() time.Time
}

func (w *waiting) begin(_ context.Context, claim *sandbox.SandboxClaim) error {
	claim.Status = waitingStatus(1, w.pool, w.now())
	return nil
}

func (*waiting) bind(context.Context) error { return nil }

func (*waiting) end(_ transaction.Outcome, err error) error { return err }

func (*waiting) how() how { return waits }
