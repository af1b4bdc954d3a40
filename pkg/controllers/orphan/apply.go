// SPDX-License-Identifier: Apache-2.0

package orphan

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// remove deletes an orphan, if the API servers say that it still is one.
func (c *Controller) remove(ctx context.Context, orphan child) error {
	sandbox, err := c.Sandboxes.Sandboxes(orphan.namespace).Get(ctx, orphan.name, metav1.GetOptions{})
	switch {
	case err == nil && sandbox.UID == orphan.sandbox:
		return nil // the cache was behind
	case err != nil && !missing(err):
		return fmt.Errorf("reading Sandbox %q: %w", orphan.name, err)
	}
	current, err := c.get(ctx, orphan)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading orphan %q of %s: %w", orphan.name, orphan.resource, err)
	case current.GetUID() != orphan.uid, !render.Detached(current), render.ChildOf(current) != orphan.sandbox:
		return nil // somebody has kept it, or taken it back
	}
	err = c.delete(ctx, orphan, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{
		UID: ptr.To(current.GetUID()), ResourceVersion: ptr.To(current.GetResourceVersion()),
	}})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return nil
	case err != nil:
		return fmt.Errorf("deleting orphan %q of %s: %w", orphan.name, orphan.resource, err)
	}
	deletions.WithLabelValues(orphan.resource).Inc()
	klog.FromContext(ctx).Info("Deleted an orphan", "resource", orphan.resource, "object", klog.KRef(orphan.namespace, orphan.name), "sandboxUID", orphan.sandbox)
	c.record(orphan, "OrphanDeleted", "deleted: there has been no Sandbox %q of UID %s for %v", orphan.name, orphan.sandbox, c.Grace)
	return nil
}

// missing says whether the answer is that there is no such Sandbox, and not that there
// is nobody who knows: a path that nothing serves is not found either.
func missing(err error) bool {
	status, ok := err.(apierrors.APIStatus)
	return ok && apierrors.IsNotFound(err) && status.Status().Details != nil && status.Status().Details.Kind == "sandboxes"
}

func (c *Controller) get(ctx context.Context, orphan child) (metav1.Object, error) {
	core := c.Kube.CoreV1()
	if orphan.resource == services {
		return core.Services(orphan.namespace).Get(ctx, orphan.name, metav1.GetOptions{})
	}
	return core.Pods(orphan.namespace).Get(ctx, orphan.name, metav1.GetOptions{})
}

func (c *Controller) delete(ctx context.Context, orphan child, options metav1.DeleteOptions) error {
	core := c.Kube.CoreV1()
	if orphan.resource == services {
		return core.Services(orphan.namespace).Delete(ctx, orphan.name, options)
	}
	return core.Pods(orphan.namespace).Delete(ctx, orphan.name, options)
}
