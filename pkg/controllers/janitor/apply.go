// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// apply deletes what is due, if the cluster still says that its namespace is dead. What
// goes wrong with one object does not keep the others.
func (c *Controller) apply(ctx context.Context, p plan) error {
	type answer struct {
		place
		err error
	}
	answers := map[string]answer{}
	var errs []error
	for _, o := range p.due {
		here, asked := answers[o.namespace]
		if !asked {
			here.place, here.err = c.place(ctx, o.namespace)
			answers[o.namespace] = here
			errs = append(errs, here.err)
		}
		if here.err != nil || here.uid != p.memory.dead[o.namespace].successor || !c.timing().leftOver(o, here.place) {
			continue
		}
		errs = append(errs, c.remove(ctx, o))
	}
	return errors.Join(errs...)
}

// place reads one namespace, live. None is an answer too, if it is the cluster's.
func (c *Controller) place(ctx context.Context, name string) (place, error) {
	namespace, err := c.Kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	switch {
	case missing(err):
		return place{}, nil
	case err != nil:
		return place{}, fmt.Errorf("reading namespace %q: %w", name, err)
	default:
		return placeOf(namespace), nil
	}
}

// missing says whether the answer is that there is no such namespace, and not that
// there is nobody who knows.
func missing(err error) bool {
	status, ok := err.(apierrors.APIStatus)
	return ok && apierrors.IsNotFound(err) && status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
}

func (c *Controller) remove(ctx context.Context, o object) error {
	for _, kind := range c.kinds {
		if kind.resource != o.resource {
			continue
		}
		err := kind.remove(ctx, o.namespace, o.name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(o.uid))})
		switch {
		case apierrors.IsNotFound(err), apierrors.IsConflict(err):
			return nil // it has gone, or is another one
		case err != nil:
			return fmt.Errorf("deleting %s %s/%s: %w", o.resource, o.namespace, o.name, err)
		}
		deletions.WithLabelValues(o.resource).Inc()
		klog.FromContext(ctx).Info("Deleted what a dead namespace has left", "resource", o.resource, "object", klog.KRef(o.namespace, o.name), "uid", o.uid)
	}
	return nil
}
