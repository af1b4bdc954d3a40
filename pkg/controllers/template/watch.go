// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// watch registers the handlers of one term; unwatch removes those that were
// registered and is never nil. Of Sandboxes and Pods only the end counts: it may
// have been the last of a template that is gone.
func (c *Controller) watch() (unwatch func(), err error) {
	var undo []func()
	unwatch = func() {
		for _, f := range undo {
			f()
		}
	}
	always := func(f func(metav1.Object)) cache.ResourceEventHandler {
		return cache.ResourceEventHandlerFuncs{AddFunc: call(f), UpdateFunc: func(_, obj any) { call(f)(obj) }, DeleteFunc: call(f)}
	}
	atTheEnd := func(f func(metav1.Object)) cache.ResourceEventHandler {
		return cache.ResourceEventHandlerFuncs{DeleteFunc: call(f)}
	}
	for _, watched := range []struct {
		informer cache.SharedInformer
		handler  cache.ResourceEventHandler
	}{
		{c.Templates.Informer(), always(c.enqueueName)},
		{c.NetworkPolicies.Informer(), always(c.enqueuePolicy)},
		{c.Sandboxes.Informer(), atTheEnd(c.enqueueLabel)},
		{c.Pods.Informer(), atTheEnd(c.enqueueLabel)},
	} {
		registration, err := watched.informer.AddEventHandler(watched.handler)
		if err != nil {
			return unwatch, fmt.Errorf("watching for controller %q: %w", name, err)
		}
		undo = append(undo, func() { _ = watched.informer.RemoveEventHandler(registration) })
	}
	return unwatch, nil
}

// call makes a handler function of f.
func call(f func(metav1.Object)) func(any) {
	return func(obj any) {
		if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		if object, ok := obj.(metav1.Object); ok {
			f(object)
		}
	}
}

func (c *Controller) enqueueName(obj metav1.Object) {
	c.worker.Enqueue(cache.MetaObjectToName(obj))
}

// enqueuePolicy goes by the name: somebody may have taken the labels away.
func (c *Controller) enqueuePolicy(obj metav1.Object) {
	if name := render.NetworkPolicyTemplate(obj.GetName()); name != "" {
		c.worker.Enqueue(worker.Key{Namespace: obj.GetNamespace(), Name: name})
	}
}

// enqueueLabel serves what carries the name of its template.
func (c *Controller) enqueueLabel(obj metav1.Object) {
	if name := obj.GetLabels()[v1beta1.TemplateLabel]; name != "" {
		c.worker.Enqueue(worker.Key{Namespace: obj.GetNamespace(), Name: name})
	}
}
