// SPDX-License-Identifier: Apache-2.0

package orphan

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	sandboxclient "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/typed/sandbox/v1beta1"
	sandboxinformers "agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions/sandbox/v1beta1"
)

// name is the controller's name in logs and metrics.
const name = "orphan"

const (
	// defaultGrace is how long an orphan stays: long enough for somebody to say no.
	defaultGrace = 15 * time.Minute
	// defaultInterval is the time between two sweeps. Each deletes one orphan at most.
	defaultInterval = 20 * time.Second
)

// EventRecorder is the part of k8s.io/client-go/tools/events that is used here.
type EventRecorder interface {
	Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any)
}

// Options are what the controller works with. All but Grace, Interval and Clock is
// required.
type Options struct {
	// Sandboxes reads Sandboxes: the loopback client, which asks the store.
	Sandboxes       sandboxclient.SandboxesGetter
	SandboxInformer sandboxinformers.SandboxInformer

	// Kube reads and deletes children in the main cluster.
	Kube kubernetes.Interface
	// Pods and Services have at least those that carry the label of a Sandbox's name.
	Pods     coreinformers.PodInformer
	Services coreinformers.ServiceInformer

	Events EventRecorder
	// Grace is how long an orphan stays; 15 minutes if zero.
	Grace time.Duration
	// Interval is the time between two sweeps, of which each deletes one orphan at most;
	// 20 seconds if zero.
	Interval time.Duration
	// Clock is the real one if nil.
	Clock clock.PassiveClock
}

// Controller sweeps orphans. It is restartable: one Run for each leadership.
type Controller struct {
	Options
	worker *worker.Worker
	// memory is what the sweeps of this term know. There is one worker.
	memory memory
}

// New builds a Controller. The informers are the caller's to start; they may run
// before, between and after the calls of Run.
func New(options Options) *Controller {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Grace == 0 {
		options.Grace = defaultGrace
	}
	if options.Interval == 0 {
		options.Interval = defaultInterval
	}
	c := &Controller{Options: options}
	c.worker = worker.New(worker.Options{
		Name: name,
		Sync: c.sync,
		Seed: func() []worker.Key { return []worker.Key{{Name: "all"}} },
		Synced: []cache.DoneChecker{
			c.SandboxInformer.Informer().HasSyncedChecker(),
			c.Pods.Informer().HasSyncedChecker(),
			c.Services.Informer().HasSyncedChecker(),
		},
		Workers: 1, // a sweep is one piece of work
	})
	return c
}

// Run works until ctx ends and the last sweep has returned. It may be called again,
// for the next term, but not twice at a time.
func (c *Controller) Run(ctx context.Context) {
	registerMetrics()
	c.memory = memory{}
	defer report(plan{}) // the next leader reports
	c.worker.Run(ctx)
}
