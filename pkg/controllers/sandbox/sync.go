// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// lostRaceRetry is the delay after somebody made an object between two looks at it.
const lostRaceRetry = time.Second

// pass is one sync of one Sandbox.
type pass struct {
	// sandbox is never changed: it may be an object of the cache. nil: it is gone.
	sandbox *v1beta1.Sandbox
	seen    observed
	plan    plan
	now     time.Time
}

func (c *Controller) sync(ctx context.Context, key worker.Key) (worker.Result, error) {
	sandbox, err := found(c.SandboxInformer.Lister().Sandboxes(key.Namespace).Get(key.Name))
	if err != nil {
		return worker.Result{}, fmt.Errorf("reading Sandbox %q: %w", key.Name, err)
	}
	if sandbox == nil {
		return worker.Result{}, nil // the finalizer has seen to it that nothing is left
	}
	run := &pass{sandbox: sandbox, now: c.Clock.Now()}
	err = c.decide(ctx, run)
	if err == nil && run.sandbox == nil {
		return worker.Result{}, nil
	}
	if err == nil {
		err = c.act(ctx, run)
	}
	return c.report(ctx, run, err)
}

// decide makes the plan of the pass. It looks at caches first and looks again,
// closer, before the plan does something that a stale cache must not cause.
func (c *Controller) decide(ctx context.Context, run *pass) error {
	from := c.cached
	if reasonOf(run.sandbox.Status.Conditions, v1beta1.ConditionReady) == v1beta1.ReasonNameConflict {
		from = c.live // no cache has what is in the way
	}
	if err := c.look(ctx, run, from); err != nil {
		return err
	}
	if !run.plan.writes() && !run.plan.wantsLive(run.sandbox) || run.plan.onlyRelabels(run.seen, run.sandbox) {
		return nil
	}
	if err := c.refresh(ctx, run); err != nil || run.sandbox == nil {
		return err
	}
	if run.plan.wantsLive(run.sandbox) && !run.seen.live {
		return c.look(ctx, run, c.live)
	}
	return nil
}

// look gathers and decides.
func (c *Controller) look(ctx context.Context, run *pass, from source) error {
	seen, err := gather(ctx, from, run.sandbox)
	if err != nil {
		run.plan = plan{state: unknown}
		return err
	}
	run.seen, run.plan = seen, decide(run.sandbox, seen, run.now)
	return nil
}

// refresh replaces the Sandbox by the live one. It keeps a leader that has just
// begun from making a Pod for a Sandbox that another leader has seen the end of,
// and any leader from acting on a mode or a time that has been changed.
func (c *Controller) refresh(ctx context.Context, run *pass) error {
	cached := run.sandbox
	live, err := found(c.Sandboxes.Sandboxes(cached.Namespace).Get(ctx, cached.Name, metav1.GetOptions{}))
	if err != nil {
		return fmt.Errorf("reading Sandbox %q: %w", cached.Name, err)
	}
	if live == nil || live.UID != cached.UID {
		run.sandbox = nil // its successor, if any, comes with an event of its own
		return nil
	}
	if live.ResourceVersion != cached.ResourceVersion {
		run.sandbox, run.plan = live, decide(live, run.seen, run.now)
	}
	return nil
}

// act carries the plan out. A name that is taken although the caches did not know
// of it is either our own latest write or a foreign object: the API server tells.
func (c *Controller) act(ctx context.Context, run *pass) error {
	err := c.apply(ctx, run)
	if !apierrors.IsAlreadyExists(err) || run.seen.live {
		return err
	}
	if err := c.look(ctx, run, c.live); err != nil {
		return err
	}
	return c.apply(ctx, run)
}

// report writes the status and says when to look again.
func (c *Controller) report(ctx context.Context, run *pass, err error) (worker.Result, error) {
	result := worker.Result{RequeueAfter: run.plan.requeueAfter}
	switch {
	case err != nil && ctx.Err() != nil, apierrors.IsConflict(err):
		return result, err
	case apierrors.IsAlreadyExists(err):
		return worker.Result{RequeueAfter: lostRaceRetry}, nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		// The Sandbox is about to be deleted too, which comes with an event.
		err, run.plan.detail = nil, "the namespace is being deleted"
	case err == nil && run.plan.sandbox != keep:
		return result, nil // it is gone, or as good as
	}
	status := statusOf(outcome{
		sandbox: run.sandbox, seen: run.seen, plan: run.plan, err: err, clusterDomain: c.ClusterDomain,
	}, run.now)
	if left, ok := settling(run.sandbox, status, run.now); ok {
		if result.RequeueAfter <= 0 || left < result.RequeueAfter {
			result.RequeueAfter = left
		}
		return result, err
	}
	if updateErr := c.updateStatus(ctx, run, status); err == nil {
		err = updateErr
	}
	return result, err
}

func (c *Controller) updateStatus(ctx context.Context, run *pass, status v1beta1.SandboxStatus) error {
	if apiequality.Semantic.DeepEqual(status, run.sandbox.Status) {
		return nil
	}
	updated := run.sandbox.DeepCopy()
	updated.Status = status
	_, err := found(c.Sandboxes.Sandboxes(updated.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{}))
	if err != nil {
		return fmt.Errorf("writing the status of Sandbox %q: %w", updated.Name, err)
	}
	for _, e := range transitions(run.sandbox.Status.Conditions, status.Conditions) {
		c.record(run.sandbox, nil, e)
	}
	return nil
}
