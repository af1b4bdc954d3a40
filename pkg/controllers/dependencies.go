// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/scheme"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions"
	"agents.x-k8s.io/sandbox-apiserver/pkg/interning"
)

// component is the name under which Events are reported.
const component = "sandbox-apiserver"

// Dependencies are what controllers read from and write to. The informers are
// shared by all controllers and run on every replica, so that a new leader
// starts from warm caches.
type Dependencies struct {
	// Sandboxes reaches our own API, Cluster everything else.
	Sandboxes versioned.Interface
	Cluster   kubernetes.Interface
	// Bounded reaches what Cluster does, with a time limit for each request. It is for a
	// library that passes no context.
	Bounded kubernetes.Interface
	// Own caches our kinds; Children what was made for Sandboxes; Slices the EndpointSlices of
	// shared Services; Nodes the nodes.
	Own      externalversions.SharedInformerFactory
	Children informers.SharedInformerFactory
	Slices   informers.SharedInformerFactory
	Nodes    informers.SharedInformerFactory
	// Recorder reports Events to the cluster.
	Recorder events.EventRecorder
	// ClusterDomain ends the DNS names of Services.
	ClusterDomain string
	// Withheld says whether an unclaimed Sandbox of a pool that was made at that time is left
	// alone, since a claim that the store has lost may use it.
	Withheld func(made time.Time) bool
	// Yield lets more urgent work of the process go first; nil if there is none.
	Yield func(ctx context.Context)

	broadcaster events.EventBroadcaster
}

// NewDependencies builds the caches of both clients; nothing runs before Start. What is no
// client and no cache is left to the caller.
func NewDependencies(sandboxes versioned.Interface, cluster kubernetes.Interface, interner *interning.Interner) Dependencies {
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: cluster.EventsV1()})
	return Dependencies{
		Sandboxes:   sandboxes,
		Cluster:     cluster,
		Own:         externalversions.NewSharedInformerFactoryWithOptions(sandboxes, 0, externalversions.WithTransform(slim(interner))),
		Children:    informers.NewSharedInformerFactoryWithOptions(cluster, 0, informers.WithTweakListOptions(selectChildren), informers.WithTransform(stripManagedFields)),
		Slices:      informers.NewSharedInformerFactoryWithOptions(cluster, 0, informers.WithTweakListOptions(selectShared), informers.WithTransform(stripManagedFields)),
		Nodes:       informers.NewSharedInformerFactoryWithOptions(cluster, 0, informers.WithTransform(sandbox.StripNode)),
		Recorder:    broadcaster.NewRecorder(scheme.Scheme, component),
		broadcaster: broadcaster,
	}
}

// Start runs informers and the reporting of Events until ctx ends. It returns at once.
func (d Dependencies) Start(ctx context.Context) error {
	if err := d.broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return err
	}
	d.Own.Start(ctx.Done())
	d.Children.Start(ctx.Done())
	d.Slices.Start(ctx.Done())
	d.Nodes.Start(ctx.Done())
	return nil
}

// Caches names every cache that a controller reads.
func (d Dependencies) Caches() map[string]cache.SharedIndexInformer {
	return map[string]cache.SharedIndexInformer{
		"sandboxes":              d.Own.Sandbox().V1beta1().Sandboxes().Informer(),
		"sandboxtemplates":       d.Own.Sandbox().V1beta1().SandboxTemplates().Informer(),
		"sandboxwarmpools":       d.Own.Sandbox().V1beta1().SandboxWarmPools().Informer(),
		"sandboxclaims":          d.Own.Sandbox().V1beta1().SandboxClaims().Informer(),
		"pods":                   d.Children.Core().V1().Pods().Informer(),
		"services":               d.Children.Core().V1().Services().Informer(),
		"persistentvolumeclaims": d.Children.Core().V1().PersistentVolumeClaims().Informer(),
		"endpointslices":         d.Slices.Discovery().V1().EndpointSlices().Informer(),
		"networkpolicies":        d.Children.Networking().V1().NetworkPolicies().Informer(),
		"nodes":                  d.Nodes.Core().V1().Nodes().Informer(),
	}
}

func selectShared(options *metav1.ListOptions) {
	options.LabelSelector = discoveryv1.LabelServiceName + "=" + v1beta1.SharedServiceName
}

func selectChildren(options *metav1.ListOptions) { options.LabelSelector = sandbox.ChildSelector }

// slim makes objects of ours small, and lets Sandboxes share their Pod specs.
func slim(interner *interning.Interner) cache.TransformFunc {
	return func(obj any) (any, error) {
		if cached, ok := obj.(*v1beta1.Sandbox); ok {
			interner.PodSpec(&cached.Spec.PodTemplate.Spec)
		}
		return stripManagedFields(obj)
	}
}

// stripManagedFields saves about half of an object's memory. An update without
// managedFields keeps those that are stored.
func stripManagedFields(obj any) (any, error) {
	if object, ok := obj.(metav1.Object); ok {
		object.SetManagedFields(nil)
	}
	return obj, nil
}
