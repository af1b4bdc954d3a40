// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	sandboxclient "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/typed/sandbox/v1beta1"
	sandboxinformers "agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions/sandbox/v1beta1"
)

// The names of the two queues in logs and metrics.
const (
	name      = "claim"
	queueName = "claim-queue"
)

// Options are what the controller works with. All but Yield and Clock is required.
type Options struct {
	// Client reads and writes our own API: the loopback client.
	Client sandboxclient.SandboxV1beta1Interface

	// The controller adds indexes of its own to Claims and Sandboxes.
	Claims    sandboxinformers.SandboxClaimInformer
	Sandboxes sandboxinformers.SandboxInformer
	Pools     sandboxinformers.SandboxWarmPoolInformer
	Templates sandboxinformers.SandboxTemplateInformer

	// Withheld says whether a Sandbox of a pool that was made at that time is given to
	// nobody.
	Withheld func(made time.Time) bool

	Events EventRecorder
	// Workers is the number of claims that are synced at a time, and of pools whose
	// waiting claims are served.
	Workers int
	// Yield lets more urgent work of the process go before the syncs of claims; nil if
	// there is none. Whoever serves waiting claims does not yield: that is such work.
	Yield func(context.Context)
	// Clock is the real one if nil.
	Clock clock.PassiveClock
}

// Controller syncs SandboxClaims. It is restartable: one Run for each leadership.
type Controller struct {
	Options
	claims *worker.Worker
	pools  *worker.Worker
	cached source
	live   source
	// indexed says that the informers have the indexes. Only Run looks at it.
	indexed bool
}

// New builds a Controller. The informers are the caller's to start; they may run
// before, between and after the calls of Run.
func New(options Options) *Controller {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	c := &Controller{Options: options, cached: cachedSource(options), live: liveSource(options.Client)}
	c.claims = worker.New(worker.Options{
		Name:    name,
		Sync:    c.sync,
		Seed:    c.seedClaims,
		Synced:  c.synced(),
		Workers: options.Workers,
		Yield:   options.Yield,
	})
	c.pools = worker.New(worker.Options{
		Name:    queueName,
		Sync:    c.serve,
		Seed:    c.seedPools,
		Synced:  c.synced(),
		Workers: options.Workers,
	})
	return c
}

// Run works until ctx ends and the last sync has returned. It may be called again,
// for the next term, but not twice at a time. It returns early only when an
// informer has been stopped for good, which is the end of the process.
func (c *Controller) Run(ctx context.Context) {
	registerMetrics()
	defer waitingClaims.Reset() // the next leader counts
	unwatch, err := c.watch()
	defer unwatch()
	if err != nil {
		utilruntime.HandleErrorWithContext(ctx, err, "The controller cannot run", "controller", name)
		return
	}
	var running sync.WaitGroup
	running.Go(func() { c.claims.Run(ctx) })
	running.Go(func() { c.pools.Run(ctx) })
	running.Wait()
}

// Serve says that a pool has something for its waiting claims. The controller finds
// out by itself too; the index of what is available knows it first. Between terms
// it does nothing.
func (c *Controller) Serve(pool cache.ObjectName) {
	c.pools.Enqueue(pool)
}

// seedClaims is every claim, and every claim that a Sandbox names: that one may be
// gone.
func (c *Controller) seedClaims() []worker.Key {
	var keys []worker.Key
	for _, claim := range c.allClaims() {
		keys = append(keys, cache.MetaObjectToName(claim))
	}
	sandboxes, err := c.Sandboxes.Lister().List(labels.Everything())
	if err != nil { // a cache does not fail
		return keys
	}
	for _, sandbox := range sandboxes {
		if key, claimed := claimKey(sandbox); claimed {
			keys = append(keys, key)
		}
	}
	return keys
}

// seedPools is every pool that claims wait for, whether it exists or not.
func (c *Controller) seedPools() []worker.Key {
	var keys []worker.Key
	for _, claim := range c.allClaims() {
		if waits(claim) {
			keys = append(keys, wantedPool(claim))
		}
	}
	return keys
}

func (c *Controller) allClaims() []*v1beta1.SandboxClaim {
	claims, err := c.Claims.Lister().List(labels.Everything())
	if err != nil { // a cache does not fail
		return nil
	}
	return claims
}

func (c *Controller) synced() []cache.DoneChecker {
	return []cache.DoneChecker{
		c.Claims.Informer().HasSyncedChecker(),
		c.Sandboxes.Informer().HasSyncedChecker(),
		c.Pools.Informer().HasSyncedChecker(),
		c.Templates.Informer().HasSyncedChecker(),
	}
}
