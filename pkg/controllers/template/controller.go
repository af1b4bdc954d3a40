// SPDX-License-Identifier: Apache-2.0

package template

import (
	"context"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	coreinformers "k8s.io/client-go/informers/core/v1"
	networkinginformers "k8s.io/client-go/informers/networking/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	sandboxclient "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/typed/sandbox/v1beta1"
	sandboxinformers "agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions/sandbox/v1beta1"
)

// name is the controller's name in logs and metrics.
const name = "template"

// EventRecorder is the part of k8s.io/client-go/tools/events that is used here.
// Its scheme must know v1beta1.
type EventRecorder interface {
	Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any)
}

// Options are what the controller works with. All but Yield and Clock is required.
type Options struct {
	// Own reads and writes our kinds: the loopback client.
	Own       sandboxclient.SandboxV1beta1Interface
	Templates sandboxinformers.SandboxTemplateInformer
	Sandboxes sandboxinformers.SandboxInformer

	// Kube reads and writes the main cluster.
	Kube kubernetes.Interface
	// Pods and NetworkPolicies have at least those that carry the label of a
	// Sandbox's name, which all that is made for Sandboxes and templates does.
	Pods            coreinformers.PodInformer
	NetworkPolicies networkinginformers.NetworkPolicyInformer

	Events EventRecorder
	// Workers is the number of templates that are synced at a time.
	Workers int
	// Yield lets more urgent work of the process go first; nil if there is none.
	Yield func(context.Context)
	// Clock is the real one if nil.
	Clock clock.PassiveClock
}

// Controller syncs templates. It is restartable: one Run for each leadership.
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
		Name: name,
		Sync: c.sync,
		Seed: c.seed,
		Synced: []cache.DoneChecker{
			c.Templates.Informer().HasSyncedChecker(),
			c.Sandboxes.Informer().HasSyncedChecker(),
			c.Pods.Informer().HasSyncedChecker(),
			c.NetworkPolicies.Informer().HasSyncedChecker(),
		},
		Workers: options.Workers,
		Yield:   options.Yield,
	})
	return c
}

// Run works until ctx ends and the last sync has returned. It may be called again,
// for the next term, but not twice at a time. It returns early only when an
// informer has been stopped for good, which is the end of the process.
func (c *Controller) Run(ctx context.Context) {
	unwatch, err := c.watch()
	defer unwatch()
	if err != nil {
		utilruntime.HandleErrorWithContext(ctx, err, "The controller cannot run", "controller", name)
		return
	}
	c.worker.Run(ctx)
}

// seed is every template, and every name that a NetworkPolicy was made for: that
// template may have gone between two terms.
func (c *Controller) seed() []worker.Key {
	var keys []worker.Key
	if templates, err := c.Templates.Lister().List(labels.Everything()); err == nil { // a cache does not fail
		for _, template := range templates {
			keys = append(keys, cache.MetaObjectToName(template))
		}
	}
	if policies, err := c.NetworkPolicies.Lister().List(labels.Everything()); err == nil {
		for _, policy := range policies {
			if name := render.NetworkPolicyTemplate(policy.Name); name != "" {
				keys = append(keys, worker.Key{Namespace: policy.Namespace, Name: name})
			}
		}
	}
	return keys
}
