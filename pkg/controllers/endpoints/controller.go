// SPDX-License-Identifier: Apache-2.0

package endpoints

import (
	"context"

	"k8s.io/apimachinery/pkg/labels"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	coreinformers "k8s.io/client-go/informers/core/v1"
	discoveryinformers "k8s.io/client-go/informers/discovery/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/endpointslice"
	"k8s.io/endpointslice/topologycache"
	endpointsliceutil "k8s.io/endpointslice/util"
	"k8s.io/utils/clock"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

const (
	// name is the controller's name in logs and metrics.
	name = "endpoints"
	// manager is what the slices name as the one that keeps them.
	manager = "sandbox-apiserver.agents.x-k8s.io"
	// clusterManager is the controller that keeps those of Services with a selector.
	clusterManager = "endpointslice-controller.k8s.io"
	// perSlice is how many endpoints are in a slice, as in those of the cluster.
	perSlice = 100
)

// Options are what the controller works with. All but Yield and Clock is required.
type Options struct {
	// Kube writes EndpointSlices in the main cluster. Its requests have a time limit of their
	// own: the library passes no context, and a term that has ended waits for them.
	Kube kubernetes.Interface
	// Services and Pods have at least those that carry the label of a Sandbox's name, Slices
	// those of shared Services.
	Services coreinformers.ServiceInformer
	Pods     coreinformers.PodInformer
	Slices   discoveryinformers.EndpointSliceInformer
	// Nodes has all Nodes. Of each no more is used than that it exists.
	Nodes coreinformers.NodeInformer

	// Workers is the number of namespaces that are synced at a time.
	Workers int
	// Yield lets more urgent work of the process go first; nil if there is none.
	Yield func(context.Context)
	// Clock is the real one if nil.
	Clock clock.PassiveClock
}

// Controller keeps the EndpointSlices of shared Services. It is restartable: one Run for
// each leadership.
type Controller struct {
	Options
	worker *worker.Worker
	// term is what the running term knows. A new one knows nothing: another leader may
	// have written meanwhile.
	term *term
}

// term is one leadership.
type term struct {
	reconciler *endpointslice.Reconciler
	// tracker knows what was written and is not in the cache yet.
	tracker *endpointsliceutil.EndpointSliceTracker
	pace    pace
}

// New builds a Controller. The informers are the caller's to start; they may run
// before, between and after the calls of Run.
func New(options Options) *Controller {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	c := &Controller{Options: options}
	c.worker = worker.New(worker.Options{
		Name: name,
		Sync: c.sync,
		Seed: c.seed,
		Synced: []cache.DoneChecker{
			c.Services.Informer().HasSyncedChecker(),
			c.Pods.Informer().HasSyncedChecker(),
			c.Slices.Informer().HasSyncedChecker(),
			c.Nodes.Informer().HasSyncedChecker(),
		},
		Workers: options.Workers,
		Yield:   options.Yield,
	})
	return c
}

// Run works until ctx ends and the last sync has returned. It may be called again, for
// the next term, but not twice at a time. It returns early only when an informer has
// been stopped for good, which is the end of the process.
func (c *Controller) Run(ctx context.Context) {
	c.term = c.newTerm()
	unwatch, err := c.watch(c.term)
	defer unwatch()
	if err != nil {
		utilruntime.HandleErrorWithContext(ctx, err, "The controller cannot run", "controller", name)
		return
	}
	c.worker.Run(ctx)
}

func (c *Controller) newTerm() *term {
	tracker := endpointsliceutil.NewEndpointSliceTracker()
	// The shared Service asks for no hints, and only of those would Events tell.
	var noHints *topologycache.TopologyCache
	return &term{
		tracker:    tracker,
		reconciler: endpointslice.NewReconciler(c.Kube, c.Nodes.Lister(), perSlice, tracker, noHints, &record.FakeRecorder{}, manager),
	}
}

// seed is every shared Service.
func (c *Controller) seed() []worker.Key {
	shared := labels.SelectorFromSet(labels.Set{v1beta1.SharedServiceLabel: "true"})
	services, err := c.Services.Lister().List(shared)
	if err != nil { // a cache does not fail
		return nil
	}
	keys := make([]worker.Key, 0, len(services))
	for _, service := range services {
		keys = append(keys, keyOf(service.Namespace))
	}
	return keys
}

// keyOf is the shared Service of a namespace.
func keyOf(namespace string) worker.Key {
	return worker.Key{Namespace: namespace, Name: v1beta1.SharedServiceName}
}
