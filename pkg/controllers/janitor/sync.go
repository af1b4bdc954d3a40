// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// sync is one check. What goes wrong waits for the next one.
func (c *Controller) sync(ctx context.Context, _ worker.Key) (worker.Result, error) {
	again := worker.Result{RequeueAfter: c.Interval}
	objects := c.objects()
	if len(objects) == 0 {
		c.memory = memory{}
		report(plan{})
		return again, nil
	}
	places, err := c.places(ctx)
	if err != nil {
		if ctx.Err() == nil {
			utilruntime.HandleErrorWithContext(ctx, err, "The janitor could not look")
		}
		return again, nil
	}
	before := c.memory
	p := c.timing().decide(objects, places, before, c.Clock.Now())
	c.memory = p.memory
	report(p)
	c.announce(ctx, p, before)
	if err := c.apply(ctx, p); err != nil && ctx.Err() == nil {
		utilruntime.HandleErrorWithContext(ctx, err, "The janitor could not delete all that is left over")
	}
	return again, nil
}

func (c *Controller) timing() timing { return timing{patience: c.Patience, skew: c.Skew} }

// objects reads the caches: everything of ours, in the order in which it would go.
func (c *Controller) objects() []object {
	var objects []object
	for _, kind := range c.kinds {
		first := len(objects)
		for _, obj := range kind.informer.GetStore().List() {
			if meta, ok := obj.(metav1.Object); ok {
				objects = append(objects, object{
					resource: kind.resource, namespace: meta.GetNamespace(), name: meta.GetName(), uid: meta.GetUID(),
					created: meta.GetCreationTimestamp().Time, deleted: meta.GetDeletionTimestamp() != nil,
				})
			}
		}
		slices.SortFunc(objects[first:], func(a, b object) int {
			return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
		})
	}
	return objects
}

// places lists the namespaces. The list may be some seconds old: each that matters is
// read again before anything happens.
func (c *Controller) places(ctx context.Context) (map[string]place, error) {
	list, err := c.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil, fmt.Errorf("listing namespaces: %w", err)
	}
	places := make(map[string]place, len(list.Items))
	for i := range list.Items {
		places[list.Items[i].Name] = placeOf(&list.Items[i])
	}
	return places, nil
}

func placeOf(namespace metav1.Object) place {
	return place{uid: namespace.GetUID(), created: namespace.GetCreationTimestamp().Time}
}
