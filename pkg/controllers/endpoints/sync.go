// SPDX-License-Identifier: Apache-2.0

package endpoints

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
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
	// leftovers are the cluster's own, of a time when the Service had a selector.
	leftovers []*discoveryv1.EndpointSlice
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
	pods := map[types.UID]appearance{}
	for _, pod := range seen.pods {
		if pod.Status.PodIP != "" {
			pods[pod.UID] = appearanceOf(pod)
		}
	}
	err = c.term.reconciler.Reconcile(klog.FromContext(ctx), seen.service, seen.pods, seen.slices, began)
	c.term.pace.done(key.Namespace, pods, began, c.Clock.Now())
	if err != nil && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return worker.Result{}, fmt.Errorf("keeping the EndpointSlices of Service %q: %w", key.Name, err)
	}
	if err := c.clear(ctx, seen); err != nil {
		return worker.Result{}, err
	}
	if seen.lost > 0 {
		return worker.Result{RequeueAfter: nodeRetry}, nil
	}
	return worker.Result{}, nil
}

// clear deletes what the cluster's controllers leave behind when somebody has given the
// Service a selector and it was taken off again: names would lead to addresses of that time.
// They make slices of the Endpoints as well, so these go first.
func (c *Controller) clear(ctx context.Context, seen observed) error {
	if len(seen.leftovers) == 0 {
		return nil
	}
	service := seen.service
	if err := c.Kube.CoreV1().Endpoints(service.Namespace).Delete(ctx, service.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting Endpoints %q: %w", service.Name, err)
	}
	for _, slice := range seen.leftovers {
		err := c.Kube.DiscoveryV1().EndpointSlices(slice.Namespace).Delete(ctx, slice.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(slice.UID))})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting EndpointSlice %q: %w", slice.Name, err)
		}
	}
	return nil
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
	all, err := c.Slices.Lister().EndpointSlices(namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service.Name}))
	if err != nil {
		return seen, fmt.Errorf("listing EndpointSlices: %w", err)
	}
	for _, slice := range all {
		switch {
		case slice.DeletionTimestamp != nil:
		case slice.Labels[discoveryv1.LabelManagedBy] == manager:
			seen.slices = append(seen.slices, slice)
		case isLeftover(slice):
			seen.leftovers = append(seen.leftovers, slice)
		}
	}
	return seen, nil
}

// isLeftover is true of the slices of the cluster's own controller. Those of others, for
// instance made by hand, are theirs.
func isLeftover(slice *discoveryv1.EndpointSlice) bool {
	return slice.Labels[discoveryv1.LabelManagedBy] == clusterManager
}

// ofSandboxes selects the Pods that have a name in DNS.
var ofSandboxes = labels.SelectorFromSet(labels.Set{v1beta1.SandboxLabel: "true"})

// isShared says whether a Service is one whose slices are kept here: the cluster keeps
// those of a Service that has a selector.
func isShared(service *corev1.Service) bool {
	return service.Labels[v1beta1.SharedServiceLabel] == "true" && len(service.Spec.Selector) == 0
}
