// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/component-base/metrics/legacyregistry"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned"
	"agents.x-k8s.io/sandbox-apiserver/pkg/warmindex"
)

// embedded is the part of a replica that is no server: the informers, which run
// always, and the controllers, which run while this replica leads.
type embedded struct {
	lock         resourcelock.Interface
	dependencies controllers.Dependencies
	controllers  []controllers.Controller
	// index knows what can be claimed; feed keeps it in step with the caches.
	index *warmindex.Sandboxes
	feed  *warmindex.Feed
	// serve is told when a claim that waits at a pool can be served.
	serve func(pool warmindex.Key)
}

// boundedWrite is a time in which a write in the cluster is done or is not coming.
const boundedWrite = 5 * time.Second

// queueServer is the controller that serves waiting claims.
type queueServer interface {
	Serve(pool warmindex.Key)
}

// newEmbedded reaches our own API by the loopback configuration. What was made before a loss
// of etcd is withheld.
func (c CompletedConfig) newEmbedded(loopback *rest.Config) (*embedded, error) {
	own := rest.CopyConfig(loopback)
	own.QPS, own.ContentType = -1, runtime.ContentTypeProtobuf
	own.Wrap(c.claims.own.transport)
	sandboxes, err := versioned.NewForConfig(own)
	if err != nil {
		return nil, fmt.Errorf("making the loopback client: %w", err)
	}
	cluster := rest.CopyConfig(c.kube.ClientConfig)
	cluster.ContentType = runtime.ContentTypeProtobuf
	cluster.Wrap(c.claims.cluster.transport)
	client, err := kubernetes.NewForConfig(cluster)
	if err != nil {
		return nil, fmt.Errorf("making the client of the cluster: %w", err)
	}
	cluster.Timeout = boundedWrite
	bounded, err := kubernetes.NewForConfig(cluster)
	if err != nil {
		return nil, fmt.Errorf("making the client of bounded requests: %w", err)
	}
	lock, err := c.extra.LeaderElection.newLock(c.kube.ClientConfig)
	if err != nil {
		return nil, err
	}
	dependencies := controllers.NewDependencies(sandboxes, client, c.interner)
	dependencies.Bounded = bounded
	dependencies.ClusterDomain, dependencies.Withheld, dependencies.Yield = c.extra.ClusterDomain, c.gate.BeforeLoss, c.claims.Yield
	e := &embedded{lock: lock, dependencies: dependencies, serve: func(warmindex.Key) {}}
	e.index = warmindex.New[*v1beta1.Sandbox](warmindex.Options{
		Replica: c.extra.LeaderElection.Identity, Serve: func(pool warmindex.Key) { e.serve(pool) },
	})
	// Another server of this process may have registered its index before.
	_ = legacyregistry.CustomRegister(warmindex.NewCollector(e.index))
	e.feed = warmindex.NewFeed(warmindex.FeedOptions{Index: e.index, Hash: render.TemplateHash, Withheld: c.gate.BeforeLoss})
	if err := errors.Join(e.feed.Attach(claimSources(dependencies)), countSandboxes(dependencies)); err != nil {
		return nil, err
	}
	for _, descriptor := range controllers.Descriptors() {
		controller := descriptor.New(dependencies, descriptor.Workers)
		if server, ok := controller.(queueServer); ok {
			e.serve = server.Serve
		}
		e.controllers = append(e.controllers, controller)
	}
	return e, nil
}

// run works one term and returns when every controller has stopped.
func (e *embedded) run(ctx context.Context) {
	var running sync.WaitGroup
	for _, controller := range e.controllers {
		running.Go(func() { controller.Run(ctx) })
	}
	running.Wait()
}

func (e *embedded) cacheChecks() []healthz.HealthChecker {
	checks := []healthz.HealthChecker{healthz.NamedCheck("warm-index", func(*http.Request) error {
		if !e.feed.HasSynced() {
			return errors.New("the index of available Sandboxes has not synced yet")
		}
		return nil
	})}
	for name, informer := range e.dependencies.Caches() {
		checks = append(checks, cacheCheck(name, informer))
	}
	return checks
}

// claimSources are the caches from which the index follows.
func claimSources(d controllers.Dependencies) warmindex.Sources {
	own := d.Own.Sandbox().V1beta1()
	return warmindex.Sources{
		Sandboxes: own.Sandboxes().Informer(), Pools: own.SandboxWarmPools().Informer(),
		Templates: own.SandboxTemplates().Informer(), Claims: own.SandboxClaims().Informer(),
	}
}
