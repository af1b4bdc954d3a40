// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"fmt"
	"slices"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// pass is one sync of one claim.
type pass struct {
	// claim is never changed: it may be an object of the cache.
	claim  *v1beta1.SandboxClaim
	plan   plan
	seen   observed
	status v1beta1.SandboxClaimStatus
	now    time.Time
}

// reports says whether the status is to be written. That of a claim that is about
// to be deleted is not: nobody would read it.
func (p *pass) reports() bool {
	return p.plan.claim == keep && !apiequality.Semantic.DeepEqual(p.status, p.claim.Status)
}

func (p *pass) writes() bool {
	return p.plan.writes() || p.reports()
}

func (p *pass) result() worker.Result {
	return worker.Result{RequeueAfter: p.plan.requeueAfter}
}

func (c *Controller) sync(ctx context.Context, key worker.Key) (worker.Result, error) {
	claim, err := found(c.cached.claim(ctx, key.Namespace, key.Name))
	if err != nil {
		return worker.Result{}, fmt.Errorf("reading SandboxClaim %q: %w", key.Name, err)
	}
	if err := c.free(ctx, key, claim); err != nil || claim == nil {
		return worker.Result{}, err
	}
	run := &pass{claim: claim, now: c.Clock.Now()}
	if err := c.look(ctx, run, c.cached); err != nil || !run.writes() {
		return run.result(), err
	}
	if wait := settling(claim, run.plan, run.now); wait > 0 {
		return worker.Result{RequeueAfter: wait}, nil
	}
	if run.claim, err = found(c.live.claim(ctx, key.Namespace, key.Name)); err != nil {
		return worker.Result{}, fmt.Errorf("reading SandboxClaim %q: %w", key.Name, err)
	}
	if run.claim == nil { // its deletion comes with an event
		return worker.Result{}, nil
	}
	if err := c.look(ctx, run, c.live); err != nil {
		return worker.Result{}, err
	}
	return run.result(), c.apply(ctx, run)
}

// look gathers and decides.
func (c *Controller) look(ctx context.Context, run *pass, from source) error {
	seen, err := gather(ctx, from, run.claim, c.sandboxName(run.claim))
	if err != nil {
		return err
	}
	run.seen, run.plan = seen, decide(run.claim, seen, run.now)
	run.status = statusOf(run.claim, seen, run.plan, run.now)
	return nil
}

// free deletes the Sandboxes of claims that are gone. claim is the one that has
// their name now, as the cache knows it.
func (c *Controller) free(ctx context.Context, key worker.Key, claim *v1beta1.SandboxClaim) error {
	left := slices.DeleteFunc(c.namingClaim(key), func(s *v1beta1.Sandbox) bool { return !abandoned(s, claim) })
	if len(left) == 0 {
		return nil
	}
	live, err := found(c.live.claim(ctx, key.Namespace, key.Name))
	if err != nil {
		return fmt.Errorf("reading SandboxClaim %q: %w", key.Name, err)
	}
	for _, sandbox := range left {
		if !abandoned(sandbox, live) {
			continue
		}
		if err := c.deleteSandbox(ctx, sandbox); err != nil {
			return err
		}
	}
	return nil
}
