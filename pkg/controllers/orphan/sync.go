// SPDX-License-Identifier: Apache-2.0

package orphan

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// sync is one sweep. What goes wrong waits for the next one: a retry at once would be
// one more delete than a sweep may do.
func (c *Controller) sync(ctx context.Context, _ worker.Key) (worker.Result, error) {
	again := worker.Result{RequeueAfter: c.Interval}
	seen, err := c.look()
	if err != nil {
		return again, err
	}
	before := c.memory
	p := decide(seen, before, c.Clock.Now(), c.Grace)
	c.memory = p.memory
	report(p)
	c.announce(ctx, p, before)
	if p.due == nil {
		return again, nil
	}
	// Whatever comes of it, it is not looked at again in every sweep before the others.
	c.memory = c.memory.without(*p.due)
	if err := c.remove(ctx, *p.due); err != nil && ctx.Err() == nil {
		utilruntime.HandleErrorWithContext(ctx, err, "An orphan stays for another grace", "resource", p.due.resource)
	}
	return again, nil
}

// look reads the caches.
func (c *Controller) look() (observed, error) {
	seen := observed{sandboxes: map[types.UID]bool{}}
	allPods, err := c.Pods.Lister().List(labels.Everything())
	if err != nil {
		return seen, fmt.Errorf("listing Pods: %w", err)
	}
	for _, pod := range allPods {
		seen.add(pods, pod)
	}
	allServices, err := c.Services.Lister().List(labels.Everything())
	if err != nil {
		return seen, fmt.Errorf("listing Services: %w", err)
	}
	for _, service := range allServices {
		seen.add(services, service)
	}
	sandboxes, err := c.SandboxInformer.Lister().List(labels.Everything())
	if err != nil {
		return seen, fmt.Errorf("listing Sandboxes: %w", err)
	}
	for _, sandbox := range sandboxes {
		seen.sandboxes[sandbox.UID] = true
	}
	return seen, nil
}

func (o *observed) add(resource string, obj metav1.Object) {
	uid := render.ChildOf(obj)
	if uid == "" || obj.GetDeletionTimestamp() != nil {
		return
	}
	o.children = append(o.children, child{
		resource: resource, namespace: obj.GetNamespace(), name: obj.GetName(), uid: obj.GetUID(),
		sandbox: uid, detached: render.Detached(obj), created: obj.GetCreationTimestamp().Time,
	})
}
