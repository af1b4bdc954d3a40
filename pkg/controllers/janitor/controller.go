// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	sandboxclient "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/typed/sandbox/v1beta1"
	sandboxinformers "agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions/sandbox/v1beta1"
)

// name is the controller's name in logs and metrics.
const name = "janitor"

const (
	defaultInterval = time.Minute
	// defaultPatience is how long a namespace has to look dead.
	defaultPatience = 10 * time.Minute
	// defaultSkew is by how much the clocks of two API servers may differ.
	defaultSkew = time.Hour
	// maxDeletes is how many objects one check deletes.
	maxDeletes = 100
)

// EventRecorder is the part of k8s.io/client-go/tools/events that is used here.
type EventRecorder interface {
	Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any)
}

// Options are what the controller works with. From Interval on all have a
// default.
type Options struct {
	// Own deletes our kinds: the loopback client.
	Own       sandboxclient.SandboxV1beta1Interface
	Informers sandboxinformers.Interface
	// Kube reads namespaces in the main cluster.
	Kube kubernetes.Interface

	Events EventRecorder

	// Interval is the time between two checks; a minute if zero.
	Interval time.Duration
	// Patience is how long a namespace has to look dead; ten minutes if zero.
	Patience time.Duration
	// Skew is how much later than an object its namespace may have been created; an hour
	// if zero.
	Skew time.Duration
	// Clock is the real one if nil.
	Clock clock.PassiveClock
}

// Controller clears up behind dead namespaces. It is restartable: one Run for each
// leadership.
type Controller struct {
	Options
	worker *worker.Worker
	kinds  []kind
	// memory is what the checks of this term know. There is one worker.
	memory memory
}

// New builds a Controller. The informers are the caller's to start; they may run
// before, between and after the calls of Run.
func New(options Options) *Controller {
	setDefaults(&options)
	c := &Controller{Options: options, kinds: kindsOf(options)}
	synced := make([]cache.DoneChecker, 0, len(c.kinds))
	for _, kind := range c.kinds {
		synced = append(synced, kind.informer.HasSyncedChecker())
	}
	c.worker = worker.New(worker.Options{
		Name:    name,
		Sync:    c.sync,
		Seed:    func() []worker.Key { return []worker.Key{{Name: "all"}} },
		Synced:  synced,
		Workers: 1, // a check is one piece of work
	})
	return c
}

func setDefaults(options *Options) {
	if options.Interval == 0 {
		options.Interval = defaultInterval
	}
	if options.Patience == 0 {
		options.Patience = defaultPatience
	}
	if options.Skew == 0 {
		options.Skew = defaultSkew
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
}

// Run works until ctx ends and the last check has returned. It may be called again,
// for the next term, but not twice at a time.
func (c *Controller) Run(ctx context.Context) {
	registerMetrics()
	c.memory = memory{}
	defer report(plan{}) // the next leader reports
	c.worker.Run(ctx)
}
