// SPDX-License-Identifier: Apache-2.0

package endpoints

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/tools/cache"
	endpointsliceutil "k8s.io/endpointslice/util"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// watch registers the handlers of one term; unwatch removes those that were
// registered and is never nil.
func (c *Controller) watch(t *term) (unwatch func(), err error) {
	var undo []func()
	unwatch = func() {
		for _, f := range undo {
			f()
		}
	}
	for _, watched := range []struct {
		informer cache.SharedInformer
		handler  cache.ResourceEventHandler
	}{
		{c.Services.Informer(), handler(func(old, service *corev1.Service) { c.serviceChanged(either(old, service)) })},
		{c.Pods.Informer(), handler(func(old, pod *corev1.Pod) { c.podChanged(t, old, pod) })},
		{c.Slices.Informer(), handler(func(old, slice *discoveryv1.EndpointSlice) { c.sliceChanged(t, old, slice) })},
	} {
		registration, err := watched.informer.AddEventHandler(watched.handler)
		if err != nil {
			return unwatch, fmt.Errorf("watching for controller %q: %w", name, err)
		}
		undo = append(undo, func() { _ = watched.informer.RemoveEventHandler(registration) })
	}
	return unwatch, nil
}

// handler calls changed with nil for what was not there before, or is not there any more.
func handler[T any](changed func(before, after *T)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if after, ok := obj.(*T); ok {
				changed(nil, after)
			}
		},
		UpdateFunc: func(old, obj any) {
			before, okBefore := old.(*T)
			after, okAfter := obj.(*T)
			if okBefore && okAfter {
				changed(before, after)
			}
		},
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if before, ok := obj.(*T); ok {
				changed(before, nil)
			}
		},
	}
}

func either[T any](before, after *T) *T {
	if after != nil {
		return after
	}
	return before
}

func (c *Controller) serviceChanged(service *corev1.Service) {
	if service.Name == v1beta1.SharedServiceName {
		c.worker.Enqueue(keyOf(service.Namespace))
	}
}

func (c *Controller) podChanged(t *term, before, after *corev1.Pod) {
	if delay, concerns := t.delay(before, after, c.Clock.Now()); concerns {
		c.worker.EnqueueAfter(keyOf(either(before, after).Namespace), delay)
	}
}

// delay is how long a change of a Pod can wait, if it concerns its address. That depends
// on whether somebody uses the Sandbox.
func (t *term) delay(before, after *corev1.Pod, now time.Time) (delay time.Duration, concerns bool) {
	if !hasName(before) && !hasName(after) {
		return 0, false
	}
	claimed := before != nil && after != nil && isWarm(before) && !isWarm(after)
	switch moved := addressChanged(before, after) || hasName(before) != hasName(after) && either(before, after).Status.PodIP != ""; {
	case moved && after != nil && isWarm(after):
		return warmDelay, true
	case moved, claimed && !t.pace.has(after):
		return t.pace.wait(either(before, after).Namespace, now), true
	default:
		return 0, false
	}
}

// hasName is true of the Pods that ofSandboxes selects.
func hasName(pod *corev1.Pod) bool { return pod != nil && pod.Labels[v1beta1.SandboxLabel] == "true" }

// addressChanged says whether the change concerns what is in a slice.
func addressChanged(before, after *corev1.Pod) bool {
	if before == nil || after == nil {
		return either(before, after).Status.PodIP != ""
	}
	changes := endpointsliceutil.GetPodUpdateProjectionKey(before, after)
	// With old labels, labels have changed, and nothing else has unless it says so.
	return changes != nil && (changes.OldLabels == nil || changes.PodChanged)
}

// isWarm says whether a Pod belongs to a pool and nobody has claimed its Sandbox.
func isWarm(pod *corev1.Pod) bool {
	return pod.Labels[v1beta1.WarmPoolLabel] != "" && pod.Labels[v1beta1.ClaimLabel] == ""
}

// sliceChanged looks at slices of ours that somebody else has changed, and at those that the
// cluster's controller makes.
func (c *Controller) sliceChanged(t *term, before, after *discoveryv1.EndpointSlice) {
	if t.unexpected(before, after) || after != nil && isLeftover(after) {
		c.worker.EnqueueAfter(keyOf(either(before, after).Namespace), minInterval)
	}
}

// unexpected says whether a slice of ours has become something else than what was written.
func (t *term) unexpected(before, after *discoveryv1.EndpointSlice) bool {
	ours := func(slice *discoveryv1.EndpointSlice) bool {
		return slice != nil && t.reconciler.ManagedByController(slice) && slice.Labels[discoveryv1.LabelServiceName] == v1beta1.SharedServiceName
	}
	switch {
	case after == nil:
		return ours(before) && (!t.tracker.Has(before) || !t.tracker.HandleDeletion(before))
	case ours(after):
		return t.tracker.ShouldSync(after) || before != nil && !ours(before)
	case ours(before):
		t.tracker.HandleDeletion(before) // or it would be waited for in the cache
		return true
	default:
		return false
	}
}
