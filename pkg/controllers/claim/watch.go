// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// watch registers the handlers of one term; unwatch removes those that were
// registered and is never nil.
func (c *Controller) watch() (unwatch func(), err error) {
	var undo []func()
	unwatch = func() {
		for _, f := range undo {
			f()
		}
	}
	if err := c.addIndexes(); err != nil {
		return unwatch, err
	}
	for _, watched := range []struct {
		informer cache.SharedInformer
		handler  cache.ResourceEventHandler
	}{
		{c.Claims.Informer(), each(c.enqueueClaim)},
		{c.Sandboxes.Informer(), each(c.enqueueSandbox)},
		{c.Pools.Informer(), c.poolHandler()},
		{c.Templates.Informer(), c.templateHandler()},
	} {
		registration, err := watched.informer.AddEventHandler(watched.handler)
		if err != nil {
			return unwatch, fmt.Errorf("watching for controller %q: %w", name, err)
		}
		undo = append(undo, func() { _ = watched.informer.RemoveEventHandler(registration) })
	}
	return unwatch, nil
}

// each calls f for every object that appears, changes or goes.
func each[T metav1.Object](f func(T)) cache.ResourceEventHandler {
	call := func(obj any) {
		if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		if object, ok := obj.(T); ok {
			f(object)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    call,
		UpdateFunc: func(_, obj any) { call(obj) },
		DeleteFunc: call,
	}
}

// enqueueClaim serves the pool too: the claim may just have begun to wait, or have
// left the queue to others.
func (c *Controller) enqueueClaim(claim *v1beta1.SandboxClaim) {
	c.claims.Enqueue(cache.MetaObjectToName(claim))
	if claim.Spec.OnEmptyPool == v1beta1.OnEmptyPoolWait {
		c.pools.Enqueue(wantedPool(claim))
	}
}

// claimDelay is how long a claim that the cache has not is given to arrive: it is committed
// with its Sandbox, and the two caches hear of it one after the other. That a claim was
// deleted comes with an event of its own.
const claimDelay = time.Second

func (c *Controller) enqueueSandbox(sandbox *v1beta1.Sandbox) {
	if key, claimed := claimKey(sandbox); claimed {
		if _, err := c.Claims.Lister().SandboxClaims(key.Namespace).Get(key.Name); err != nil {
			c.claims.EnqueueAfter(key, claimDelay)
			return
		}
		c.claims.Enqueue(key)
		return
	}
	if available(sandbox) {
		c.pools.Enqueue(poolKey(sandbox))
	}
}

// poolHandler looks at pools that come, go, or change their template; the beginning of
// a deletion is a change of generation too. Status changes all the time and is of no
// interest.
func (c *Controller) poolHandler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			if pool, ok := obj.(*v1beta1.SandboxWarmPool); ok && !initial {
				c.enqueuePool(cache.MetaObjectToName(pool))
			}
		},
		UpdateFunc: func(old, obj any) {
			before, okBefore := old.(*v1beta1.SandboxWarmPool)
			after, okAfter := obj.(*v1beta1.SandboxWarmPool)
			if okBefore && okAfter && (before.UID != after.UID || before.Generation != after.Generation) {
				c.enqueuePool(cache.MetaObjectToName(after))
			}
		},
		DeleteFunc: func(obj any) {
			if key, err := cache.DeletionHandlingObjectToName(obj); err == nil {
				c.enqueuePool(key)
			}
		},
	}
}

func (c *Controller) templateHandler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			if template, ok := obj.(*v1beta1.SandboxTemplate); ok && !initial {
				c.enqueueTemplate(cache.MetaObjectToName(template))
			}
		},
		DeleteFunc: func(obj any) {
			if key, err := cache.DeletionHandlingObjectToName(obj); err == nil {
				c.enqueueTemplate(key)
			}
		},
	}
}

// enqueueTemplate searches the pools of the namespace: templates come and go rarely.
func (c *Controller) enqueueTemplate(template worker.Key) {
	pools, err := c.Pools.Lister().SandboxWarmPools(template.Namespace).List(labels.Everything())
	if err != nil { // a cache does not fail
		return
	}
	for _, pool := range pools {
		if pool.Spec.SandboxTemplateRef.Name == template.Name {
			c.enqueuePool(cache.MetaObjectToName(pool))
		}
	}
}

// enqueuePool is for changes that the waiting claims of a pool report in their status.
func (c *Controller) enqueuePool(pool worker.Key) {
	for _, claim := range c.waitingAt(pool) {
		c.claims.Enqueue(cache.MetaObjectToName(claim))
	}
	c.pools.Enqueue(pool)
}
