// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

const (
	// What looks available and was not given is asked for again after as long as it
	// has been available, within these bounds: soon when the index of what is
	// available is a moment behind, rarely when there is a reason.
	minAskAgain = 50 * time.Millisecond
	maxAskAgain = 30 * time.Second
)

// answer is what became of one waiting claim.
type answer string

const (
	served    answer = "served"    // it has a Sandbox
	unserved  answer = "unserved"  // nothing is available
	withdrawn answer = "withdrawn" // it does not wait any more
)

// serve has the waiting claims of one pool bound, one after the other, the oldest
// first, as long as something is available.
func (c *Controller) serve(ctx context.Context, key worker.Key) (worker.Result, error) {
	queue := inLine(c.waitingAt(key), c.Clock.Now())
	countWaiting(key, len(queue))
	if len(queue) == 0 {
		return worker.Result{}, nil
	}
	pool, err := found(c.cached.pool(ctx, key.Namespace, key.Name))
	if err != nil {
		return worker.Result{}, fmt.Errorf("reading SandboxWarmPool %q: %w", key.Name, err)
	}
	if pool == nil || pool.DeletionTimestamp != nil {
		return worker.Result{}, nil
	}
	return c.serveFrom(ctx, queue, c.availableAt(pool))
}

// serveFrom stops when nothing more is available: what becomes available later comes
// with an event. A claim that is refused for what it is does not hold up the others.
func (c *Controller) serveFrom(ctx context.Context, queue []*v1beta1.SandboxClaim, members []*v1beta1.Sandbox) (worker.Result, error) {
	var refused []error
	left := len(members)
	for _, claim := range queue {
		if left == 0 || ctx.Err() != nil {
			break
		}
		switch got, err := c.bind(ctx, claim); {
		case err != nil && !refusesClaim(err):
			return worker.Result{}, errors.Join(append(refused, err)...)
		case err != nil:
			refused = append(refused, err)
		case got == served:
			left--
		case got == unserved:
			return worker.Result{RequeueAfter: askAgainAfter(members, c.Clock.Now())}, errors.Join(refused...)
		}
	}
	return worker.Result{}, errors.Join(refused...)
}

// bind asks for a Sandbox for a claim that still waits. It looks at the live claim
// first: a call in the name of one that was deleted would make it again. A claim
// whose status says nothing although a Sandbox names it is not waiting either.
//
// The subresource must be idempotent: a stored claim that waits is bound if something
// is available, and returned as it is if not. It is told the UID of the stored claim,
// and should refuse to bind, or to make, another one of that name.
func (c *Controller) bind(ctx context.Context, waiting *v1beta1.SandboxClaim) (answer, error) {
	claim, err := found(c.live.claim(ctx, waiting.Namespace, waiting.Name))
	if err != nil {
		return unserved, fmt.Errorf("reading SandboxClaim %q: %w", waiting.Name, err)
	}
	if claim == nil || claim.UID != waiting.UID || !waits(claim) || over(claim, c.Clock.Now()) || c.sandboxName(claim) != "" {
		return withdrawn, nil
	}
	pool := claim.Spec.WarmPoolRef.Name
	bind := &v1beta1.SandboxClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
		Spec:       *claim.Spec.DeepCopy(),
	}
	got, err := c.Client.SandboxWarmPools(claim.Namespace).Claim(ctx, pool, bind, metav1.CreateOptions{})
	switch {
	case err != nil:
		return unserved, fmt.Errorf("claiming from pool %q for SandboxClaim %q: %w", pool, claim.Name, err)
	case got.UID != claim.UID:
		klog.FromContext(ctx).Info("Another claim took the name of a waiting one", "claim", claim.Name, "uid", got.UID)
		return withdrawn, nil
	case !bound(got):
		return unserved, nil
	default:
		return served, nil
	}
}

// inLine sorts the claims that are to be served.
func inLine(claims []*v1beta1.SandboxClaim, now time.Time) []*v1beta1.SandboxClaim {
	queue := slices.DeleteFunc(slices.Clone(claims), func(claim *v1beta1.SandboxClaim) bool { return over(claim, now) })
	slices.SortFunc(queue, func(a, b *v1beta1.SandboxClaim) int {
		return cmp.Or(
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.UID, b.UID),
		)
	})
	return queue
}

// over says whether the lifetime of a claim without a Sandbox has ended.
func over(claim *v1beta1.SandboxClaim, now time.Time) bool {
	end, ends := endOf(claim, observed{})
	return ends && !now.Before(end)
}

// askAgainAfter grows with the time that the youngest of the Sandboxes has been
// Ready. It needs no memory and backs off by itself.
func askAgainAfter(members []*v1beta1.Sandbox, now time.Time) time.Duration {
	after := maxAskAgain
	for _, sandbox := range members {
		if ready := meta.FindStatusCondition(sandbox.Status.Conditions, v1beta1.ConditionReady); ready != nil {
			after = min(after, now.Sub(ready.LastTransitionTime.Time))
		}
	}
	return max(after, minAskAgain)
}

// refusesClaim says whether an error is about the claim and not about the moment.
func refusesClaim(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err)
}
