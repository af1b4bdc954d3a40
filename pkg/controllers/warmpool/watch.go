// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// memberDelay gathers what members report: while a large pool fills, thousands of
// changes a second ask for one sync of it in this time. A vacancy does not wait.
const memberDelay = 100 * time.Millisecond

// watch registers the handlers of one term; unwatch removes those that were
// registered and is never nil.
func (c *Controller) watch() (unwatch func(), err error) {
	var undo []func()
	unwatch = func() {
		for _, f := range undo {
			f()
		}
	}
	if err := c.index(); err != nil {
		return unwatch, err
	}
	for _, watched := range []struct {
		informer cache.SharedInformer
		handler  cache.ResourceEventHandler
	}{
		{c.PoolInformer.Informer(), each(c.enqueuePool)},
		{c.TemplateInformer.Informer(), each(c.enqueueTemplate)},
		{c.SandboxInformer.Informer(), c.sandboxHandler()},
	} {
		registration, err := watched.informer.AddEventHandler(watched.handler)
		if err != nil {
			return unwatch, fmt.Errorf("watching for controller %q: %w", name, err)
		}
		undo = append(undo, func() { _ = watched.informer.RemoveEventHandler(registration) })
	}
	return unwatch, nil
}

// index adds the index of this controller in the first term; it stays. The informer is not
// asked whether it has it: other controllers add theirs at the same time.
func (c *Controller) index() error {
	if c.indexed {
		return nil
	}
	if err := c.SandboxInformer.Informer().AddIndexers(cache.Indexers{byPool: indexByPool}); err != nil {
		return fmt.Errorf("indexing Sandboxes by pool: %w", err)
	}
	c.indexed = true
	return nil
}

// each calls f for every object that appears, changes or goes.
func each(f func(metav1.Object)) cache.ResourceEventHandler {
	call := func(obj any) {
		if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		if object, ok := obj.(metav1.Object); ok {
			f(object)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    call,
		UpdateFunc: func(_, obj any) { call(obj) },
		DeleteFunc: call,
	}
}

func (c *Controller) enqueuePool(obj metav1.Object) {
	c.worker.Enqueue(cache.MetaObjectToName(obj))
}

// enqueueTemplate concerns the pools that refer to the template.
func (c *Controller) enqueueTemplate(obj metav1.Object) {
	pools, err := c.PoolInformer.Lister().SandboxWarmPools(obj.GetNamespace()).List(labels.Everything())
	if err != nil { // a cache does not fail
		return
	}
	for _, pool := range pools {
		if pool.Spec.SandboxTemplateRef.Name == obj.GetName() {
			c.enqueuePool(pool)
		}
	}
}

func (c *Controller) sandboxHandler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if sandbox, ok := obj.(*v1beta1.Sandbox); ok {
				c.appeared(sandbox)
			}
		},
		UpdateFunc: func(old, obj any) {
			before, okBefore := old.(*v1beta1.Sandbox)
			after, okAfter := obj.(*v1beta1.Sandbox)
			if okBefore && okAfter {
				c.changed(before, after)
			}
		},
		DeleteFunc: func(obj any) {
			key, err := cache.DeletionHandlingObjectToName(obj)
			if err != nil {
				return
			}
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			sandbox, _ := obj.(*v1beta1.Sandbox)
			c.left(key, sandbox)
		},
	}
}

func (c *Controller) appeared(sandbox *v1beta1.Sandbox) {
	c.expectations.observed(cache.MetaObjectToName(sandbox), sandbox.UID)
	if pool, ok := poolOf(sandbox); ok {
		c.worker.EnqueueAfter(pool, memberDelay)
	}
}

// changed looks at the pool that a Sandbox belonged to: a claim takes it away by
// changing its owner, and only the old object says whose it was.
func (c *Controller) changed(before, after *v1beta1.Sandbox) {
	c.expectations.observed(cache.MetaObjectToName(after), after.UID)
	was, wasMember := poolOf(before)
	is, isMember := poolOf(after)
	switch {
	case wasMember && (!isMember || was != is):
		if after.Spec.ClaimRef != nil {
			c.refills.drawn(was, c.Clock.Now())
		}
		c.worker.Enqueue(was)
	case wasMember && vacates(before, after):
		c.worker.Enqueue(was)
	}
	if !isMember {
		return
	}
	if !isReadyNow(before) && isReadyNow(after) && !c.Withheld(after.CreationTimestamp.Time) {
		c.refills.refilled(is, c.Clock.Now())
	}
	c.worker.EnqueueAfter(is, memberDelay)
}

// left is called for a Sandbox that is gone, with what was last known of it, if
// anything was.
func (c *Controller) left(key worker.Key, sandbox *v1beta1.Sandbox) {
	if sandbox == nil {
		c.expectations.observed(key, "")
		return
	}
	c.expectations.observed(key, sandbox.UID)
	if pool, ok := poolOf(sandbox); ok {
		c.worker.Enqueue(pool)
	}
}

// vacates says whether a member has just been deleted, has just ended, or is another
// one of the same name.
func vacates(before, after *v1beta1.Sandbox) bool {
	return before.UID != after.UID ||
		before.DeletionTimestamp == nil && after.DeletionTimestamp != nil ||
		!isFinished(before) && isFinished(after)
}

func isReadyNow(sandbox *v1beta1.Sandbox) bool {
	return meta.IsStatusConditionTrue(sandbox.Status.Conditions, v1beta1.ConditionReady)
}

func isFinished(sandbox *v1beta1.Sandbox) bool {
	return meta.IsStatusConditionTrue(sandbox.Status.Conditions, v1beta1.ConditionFinished)
}
