// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	sandboxclient "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/typed/sandbox/v1beta1"
	sandboxinformers "agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions/sandbox/v1beta1"
)

// name is the controller's name in logs and metrics.
const name = "warmpool"

// Options are what the controller works with. All but Yield and Clock is required.
type Options struct {
	// Pools and Sandboxes are read and written through the loopback client. Its
	// lists must be consistent, as they are when no resourceVersion is asked for.
	Pools     sandboxclient.SandboxWarmPoolsGetter
	Sandboxes sandboxclient.SandboxesGetter

	PoolInformer     sandboxinformers.SandboxWarmPoolInformer
	TemplateInformer sandboxinformers.SandboxTemplateInformer
	// SandboxInformer has all Sandboxes. The controller adds an index to it.
	SandboxInformer sandboxinformers.SandboxInformer

	// Withheld says whether a member that was made at that time may be in use by a claim that
	// the store has lost. The answer about a time must not change.
	Withheld func(made time.Time) bool

	Events EventRecorder
	// Workers is the number of pools that are synced at a time. Each has at most
	// maxParallel requests in flight.
	Workers int
	// Yield lets more urgent work of the process go first; nil if there is none.
	Yield func(context.Context)
	// Clock is the real one if nil.
	Clock clock.PassiveClock
}

// Controller syncs SandboxWarmPools. It is restartable: one Run for each leadership.
type Controller struct {
	Options
	worker       *worker.Worker
	memories     *memories
	expectations *expectations
	refills      *refills
	// indexed says that the informer has the index. Only Run looks at it.
	indexed bool
}

// New builds a Controller. The informers are the caller's to start; they may run
// before, between and after the calls of Run.
func New(options Options) *Controller {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	c := &Controller{Options: options, memories: &memories{}, expectations: &expectations{}, refills: &refills{}}
	c.worker = worker.New(worker.Options{
		Name:    name,
		Sync:    c.sync,
		Seed:    c.seed,
		Synced:  c.synced(),
		Workers: options.Workers,
		Yield:   options.Yield,
	})
	return c
}

// Run works until ctx ends and the last sync has returned, and with it every create
// that was sent. It may be called again, for the next term, but not twice at a time.
// It returns early only when an informer has been stopped for good, which is the end
// of the process.
func (c *Controller) Run(ctx context.Context) {
	registerMetrics()
	c.forgetAll()
	defer c.forgetAll() // a replica that does not lead has nothing to report
	unwatch, err := c.watch()
	defer unwatch()
	if err != nil {
		utilruntime.HandleErrorWithContext(ctx, err, "The controller cannot run", "controller", name)
		return
	}
	c.worker.Run(ctx)
}

// seed is every pool, so that a term depends on no event before it.
func (c *Controller) seed() []worker.Key {
	pools, err := c.PoolInformer.Lister().List(labels.Everything())
	if err != nil { // a cache does not fail
		return nil
	}
	keys := make([]worker.Key, 0, len(pools))
	for _, pool := range pools {
		keys = append(keys, cache.MetaObjectToName(pool))
	}
	return keys
}

func (c *Controller) synced() []cache.DoneChecker {
	return []cache.DoneChecker{
		c.PoolInformer.Informer().HasSyncedChecker(),
		c.TemplateInformer.Informer().HasSyncedChecker(),
		c.SandboxInformer.Informer().HasSyncedChecker(),
	}
}

// forget drops what is known of a pool that is gone.
func (c *Controller) forget(pool worker.Key) {
	c.memories.forget(pool)
	c.expectations.forget(pool)
	c.refills.forget(pool)
	forgetSizes(pool)
}

// forgetAll drops what another term knew.
func (c *Controller) forgetAll() {
	c.memories.reset()
	c.expectations.reset()
	c.refills.reset()
	resetSizes()
}
