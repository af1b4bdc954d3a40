// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"

	"k8s.io/apimachinery/pkg/labels"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	sandboxclient "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/typed/sandbox/v1beta1"
	sandboxinformers "agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions/sandbox/v1beta1"
)

// name is the controller's name in logs and metrics.
const name = "sandbox"

// ChildSelector is the label selector for the informers of Pods, Services and
// PersistentVolumeClaims. It finds all that this controller makes, the shared
// Services included, and keeps the rest of the cluster out of memory.
const ChildSelector = v1beta1.SandboxNameLabel

// Options are what the controller works with. All but Yield, Clock and what reads
// templates is required.
type Options struct {
	// Sandboxes reads and writes Sandboxes: the loopback client.
	Sandboxes       sandboxclient.SandboxesGetter
	SandboxInformer sandboxinformers.SandboxInformer

	// Templates and TemplateInformer read templates. Without, no Pod waits for the
	// NetworkPolicy of its template, which nobody makes then either.
	Templates        sandboxclient.SandboxTemplatesGetter
	TemplateInformer sandboxinformers.SandboxTemplateInformer

	// Kube reads and writes children in the main cluster.
	Kube kubernetes.Interface
	// Pods, Services and Disks are restricted by ChildSelector.
	Pods     coreinformers.PodInformer
	Services coreinformers.ServiceInformer
	Disks    coreinformers.PersistentVolumeClaimInformer
	// Nodes has all Nodes. Of each only name, UID and the condition Ready are used.
	Nodes coreinformers.NodeInformer

	Events EventRecorder
	// ClusterDomain is the DNS domain of the main cluster, such as cluster.local.
	ClusterDomain string
	// Workers is the number of Sandboxes that are synced at a time.
	Workers int
	// Yield lets more urgent work of the process go first; nil if there is none.
	Yield func(context.Context)
	// Clock is the real one if nil.
	Clock clock.PassiveClock
}

// Controller syncs Sandboxes. It is restartable: one Run for each leadership.
type Controller struct {
	Options
	worker *worker.Worker
	cached source
	live   source
}

// New builds a Controller. The informers are the caller's to start; they may run
// before, between and after the calls of Run.
func New(options Options) *Controller {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	c := &Controller{Options: options, cached: cachedSource(options), live: liveSource(options)}
	c.worker = worker.New(worker.Options{
		Name:    name,
		Sync:    c.sync,
		Seed:    c.seed,
		Synced:  c.synced(),
		Workers: options.Workers,
		Urgency: c.urgency,
		Yield:   options.Yield,
	})
	return c
}

// Run works until ctx ends and the last sync has returned. It may be called again,
// for the next term, but not twice at a time. It returns early only when an
// informer has been stopped for good, which is the end of the process.
func (c *Controller) Run(ctx context.Context) {
	registerMetrics()
	unwatch, err := c.watch()
	defer unwatch()
	if err != nil {
		utilruntime.HandleErrorWithContext(ctx, err, "The controller cannot run", "controller", name)
		return
	}
	c.worker.Run(ctx)
}

// seed is every Sandbox, so that a term depends on no event before it.
func (c *Controller) seed() []worker.Key {
	sandboxes, err := c.SandboxInformer.Lister().List(labels.Everything())
	if err != nil { // a cache does not fail
		return nil
	}
	keys := make([]worker.Key, 0, len(sandboxes))
	for _, sandbox := range sandboxes {
		keys = append(keys, cache.MetaObjectToName(sandbox))
	}
	return keys
}

func (c *Controller) synced() []cache.DoneChecker {
	checkers := []cache.DoneChecker{
		c.SandboxInformer.Informer().HasSyncedChecker(),
		c.Pods.Informer().HasSyncedChecker(),
		c.Services.Informer().HasSyncedChecker(),
		c.Disks.Informer().HasSyncedChecker(),
		c.Nodes.Informer().HasSyncedChecker(),
	}
	if c.TemplateInformer != nil {
		checkers = append(checkers, c.TemplateInformer.Informer().HasSyncedChecker())
	}
	return checkers
}
