// SPDX-License-Identifier: Apache-2.0

package template

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

// lostRaceRetry is the delay after somebody made the NetworkPolicy between two looks at it.
const lostRaceRetry = time.Second

// pass is one sync of the templates of one name.
type pass struct {
	key worker.Key
	// template is never changed: it may be an object of the cache. nil: it is gone.
	template *v1beta1.SandboxTemplate
	seen     observed
	plan     plan
}

func (c *Controller) sync(ctx context.Context, key worker.Key) (worker.Result, error) {
	template, err := found(c.Templates.Lister().SandboxTemplates(key.Namespace).Get(key.Name))
	if err != nil {
		return worker.Result{}, fmt.Errorf("reading SandboxTemplate %q: %w", key.Name, err)
	}
	run := &pass{key: key, template: template}
	err = c.decide(ctx, run)
	if err == nil {
		err = c.act(ctx, run)
	}
	return c.report(ctx, run, err)
}

// decide makes the plan of the pass. It looks at caches first and looks again,
// closer, before the plan does something that a stale cache must not cause.
func (c *Controller) decide(ctx context.Context, run *pass) error {
	from := c.cached
	if run.template != nil && reasonOf(run.template) == v1beta1.ReasonNameConflict {
		from = c.live // no cache has what is in the way
	}
	if err := c.look(ctx, run, from); err != nil {
		return err
	}
	if run.plan.policy == keep {
		return nil
	}
	live, err := found(c.Own.SandboxTemplates(run.key.Namespace).Get(ctx, run.key.Name, metav1.GetOptions{}))
	if err != nil {
		run.plan = plan{state: unknown}
		return fmt.Errorf("reading SandboxTemplate %q: %w", run.key.Name, err)
	}
	run.template = live
	if run.plan.policy == remove {
		from = c.live // the network of a Pod is at stake
	}
	return c.look(ctx, run, from)
}

// look gathers and decides.
func (c *Controller) look(ctx context.Context, run *pass, from source) error {
	seen, err := gather(ctx, from, run)
	if err != nil {
		run.plan = plan{state: unknown}
		return err
	}
	run.seen, run.plan = seen, decide(run.key.Name, run.template, seen)
	return nil
}

// act carries the plan out. A name that is taken although the cache did not know of
// it is either our own latest write or a foreign object: the API server tells.
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
	case err != nil && ctx.Err() != nil, apierrors.IsConflict(err), run.template == nil:
		return result, err
	case apierrors.IsAlreadyExists(err):
		return worker.Result{RequeueAfter: lostRaceRetry}, nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		// The template is about to be deleted too, which comes with an event.
		err, run.plan = nil, plan{state: waiting, detail: "the namespace is being deleted"}
	}
	if updateErr := c.updateStatus(ctx, run, err); err == nil {
		err = updateErr
	}
	return result, err
}

func (c *Controller) updateStatus(ctx context.Context, run *pass, cause error) error {
	status := statusOf(run.template, run.plan, cause, c.Clock.Now())
	if apiequality.Semantic.DeepEqual(status, run.template.Status) {
		return nil
	}
	updated := run.template.DeepCopy()
	updated.Status = status
	_, err := found(c.Own.SandboxTemplates(updated.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{}))
	if err != nil {
		return fmt.Errorf("writing the status of SandboxTemplate %q: %w", updated.Name, err)
	}
	if reasonOf(updated) == v1beta1.ReasonNameConflict && reasonOf(run.template) != v1beta1.ReasonNameConflict {
		c.Events.Eventf(run.template, nil, corev1.EventTypeWarning, v1beta1.ReasonNameConflict, "Reconcile", "%s", run.plan.detail)
	}
	return nil
}
