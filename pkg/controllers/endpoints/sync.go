// SPDX-License-Identifier: Apache-2.0

package endpoints

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

const (
	// staleRetry is the delay after which the cache should have what was written.
	staleRetry = 100 * time.Millisecond
	// nodeRetry is the delay after which a node should be in the cache, or its Pods gone.
	nodeRetry = 5 * time.Second
)

// observed is what a sync saw of one namespace in the caches.
type observed struct {
	service *corev1.Service
	// pods are on nodes that exist: nobody answers at the address of another.
	pods []*corev1.Pod
	// lost are those whose node is not there, or not yet.
	lost   int
	slices []*discoveryv1.EndpointSlice
}

func (c *Controller) sync(ctx context.Context, key worker.Key) (worker.Result, error) {
	began := c.Clock.Now()
	seen, err := c.gather(key.Namespace)
	if err != nil {
		return worker.Result{}, err
	}
	if seen.service == nil { // the collector takes its slices
		c.term.pace.forget(key.Namespace)
		c.term.tracker.DeleteService(key.Namespace, key.Name)
		c.term.reconciler.DeleteService(key.Namespace, key.Name)
		return worker.Result{}, nil
	}
	if c.term.tracker.StaleSlices(seen.service, seen.slices) {
		return worker.Result{RequeueAfter: staleRetry}, nil
	}
	pods := sets.New[types.UID]()
	for _, pod := range seen.pods {
		if pod.Status.PodIP != "" {
			pods.Insert(pod.UID)
		}
	}
	err = c.term.reconciler.Reconcile(klog.FromContext(ctx), seen.service, seen.pods, seen.slices, began)
	c.term.pace.done(key.Namespace, pods, began, c.Clock.Now())
	if err != nil && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return worker.Result{}, fmt.Errorf("keeping the EndpointSlices of Service %q: %w", key.Name, err)
	}
	if seen.lost > 0 {
		return worker.Result{RequeueAfter: nodeRetry}, nil
	}
	return worker.Result{}, nil
}

// gather reads the caches. The service is nil if there is none of ours.
func (c *Controller) gather(namespace string) (observed, error) {
	var seen observed
	service, err := c.Services.Lister().Services(namespace).Get(v1beta1.SharedServiceName)
	switch {
	case apierrors.IsNotFound(err):
		return seen, nil
	case err != nil:
		return seen, fmt.Errorf("reading Service %q: %w", v1beta1.SharedServiceName, err)
	case !isShared(service) || service.DeletionTimestamp != nil:
		return seen, nil
	}
	seen.service = service
	pods, err := c.Pods.Lister().Pods(namespace).List(ofSandboxes)
	if err != nil {
		return seen, fmt.Errorf("listing Pods: %w", err)
	}
	for _, pod := range pods {
		if _, err := c.Nodes.Lister().Get(pod.Spec.NodeName); err == nil {
			seen.pods = append(seen.pods, pod)
		} else if pod.Spec.NodeName != "" {
			seen.lost++
		}
	}
	ours := labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service.Name, discoveryv1.LabelManagedBy: manager})
	if seen.slices, err = c.Slices.Lister().EndpointSlices(namespace).List(ours); err != nil {
		return seen, fmt.Errorf("listing EndpointSlices: %w", err)
	}
	seen.slices = slices.DeleteFunc(seen.slices, func(s *discoveryv1.EndpointSlice) bool { return s.DeletionTimestamp != nil })
	return seen, nil
}

// ofSandboxes selects the Pods that have a name in DNS.
var ofSandboxes = labels.SelectorFromSet(labels.Set{v1beta1.SandboxLabel: "true"})

// isShared says whether a Service is one whose slices are kept here: the cluster keeps
// those of a Service that has a selector.
func isShared(service *corev1.Service) bool {
	return service.Labels[v1beta1.SharedServiceLabel] == "true" && len(service.Spec.Selector) == 0
}
