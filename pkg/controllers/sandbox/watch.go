// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
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
	type watch struct {
		informer cache.SharedInformer
		handler  cache.ResourceEventHandler
	}
	watches := []watch{
		{c.SandboxInformer.Informer(), each(c.enqueueName)},
		{c.Pods.Informer(), each(c.enqueueName)},
		{c.Services.Informer(), each(c.enqueueService)},
		{c.Disks.Informer(), each(c.enqueueLabel)},
		{c.Nodes.Informer(), c.nodeHandler()},
	}
	if c.TemplateInformer != nil {
		watches = append(watches, watch{c.TemplateInformer.Informer(), c.templateHandler()})
	}
	for _, watched := range watches {
		registration, err := watched.informer.AddEventHandler(watched.handler)
		if err != nil {
			return unwatch, fmt.Errorf("watching for controller %q: %w", name, err)
		}
		undo = append(undo, func() { _ = watched.informer.RemoveEventHandler(registration) })
	}
	return unwatch, nil
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

// enqueueName serves Sandboxes and their Pods, which have the same name.
func (c *Controller) enqueueName(obj metav1.Object) {
	c.worker.Enqueue(cache.MetaObjectToName(obj))
}

func (c *Controller) enqueueLabel(obj metav1.Object) {
	if name := obj.GetLabels()[v1beta1.SandboxNameLabel]; name != "" {
		c.worker.Enqueue(worker.Key{Namespace: obj.GetNamespace(), Name: name})
	}
}

// enqueueService serves own Services, and the shared one, which concerns every
// Sandbox of the namespace: all Pods are anchored to it.
func (c *Controller) enqueueService(obj metav1.Object) {
	c.enqueueName(obj)
	if obj.GetName() != v1beta1.SharedServiceName {
		return
	}
	sandboxes, err := c.SandboxInformer.Lister().Sandboxes(obj.GetNamespace()).List(labels.Everything())
	if err != nil { // a cache does not fail
		return
	}
	for _, sandbox := range sandboxes {
		c.enqueueName(sandbox)
	}
}

// nodeHandler looks at nodes that come, go, or change readiness. That is rare, so
// the Pods of a node are searched and no index of them is kept.
func (c *Controller) nodeHandler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			if node, ok := obj.(*corev1.Node); ok && !initial {
				c.enqueueNode(node.Name)
			}
		},
		UpdateFunc: func(old, obj any) {
			before, okBefore := old.(*corev1.Node)
			after, okAfter := obj.(*corev1.Node)
			if okBefore && okAfter && (before.UID != after.UID || nodeReady(before) != nodeReady(after)) {
				c.enqueueNode(after.Name)
			}
		},
		DeleteFunc: func(obj any) {
			if key, err := cache.DeletionHandlingObjectToName(obj); err == nil {
				c.enqueueNode(key.Name)
			}
		},
	}
}

func (c *Controller) enqueueNode(name string) {
	pods, err := c.Pods.Lister().List(labels.Everything())
	if err != nil { // a cache does not fail
		return
	}
	for _, pod := range pods {
		if pod.Spec.NodeName == name {
			c.enqueueName(pod)
		}
	}
}

// templateHandler looks at templates that let Pods be made, or no longer do.
func (c *Controller) templateHandler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			if template, ok := obj.(*v1beta1.SandboxTemplate); ok && !initial {
				c.enqueueTemplate(cache.MetaObjectToName(template))
			}
		},
		UpdateFunc: func(old, obj any) {
			before, okBefore := old.(*v1beta1.SandboxTemplate)
			after, okAfter := obj.(*v1beta1.SandboxTemplate)
			if okBefore && okAfter && awaitedNetwork(before) != awaitedNetwork(after) {
				c.enqueueTemplate(cache.MetaObjectToName(after))
			}
		},
		DeleteFunc: func(obj any) {
			if key, err := cache.DeletionHandlingObjectToName(obj); err == nil {
				c.enqueueTemplate(key)
			}
		},
	}
}

// enqueueTemplate serves the Sandboxes of a template that have no Pod: the others
// do not wait for it.
func (c *Controller) enqueueTemplate(template cache.ObjectName) {
	made := labels.SelectorFromSet(labels.Set{v1beta1.TemplateLabel: template.Name})
	sandboxes, err := c.SandboxInformer.Lister().Sandboxes(template.Namespace).List(made)
	if err != nil { // a cache does not fail
		return
	}
	for _, sandbox := range sandboxes {
		if _, err := c.Pods.Lister().Pods(sandbox.Namespace).Get(sandbox.Name); err != nil {
			c.enqueueName(sandbox)
		}
	}
}

// StripNode is a transform for the informer of Nodes: it keeps what this
// controller looks at, a small part of a Node.
func StripNode(obj any) (any, error) {
	node, ok := obj.(*corev1.Node)
	if !ok {
		return obj, nil
	}
	stripped := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion},
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			stripped.Status.Conditions = []corev1.NodeCondition{{Type: condition.Type, Status: condition.Status}}
		}
	}
	return stripped, nil
}
