// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// addHooks starts informers on every replica and controllers on the leader,
// once the server listens and the storage fence is green. On shutdown the
// controllers end first, while requests are still served, so that the next leader
// takes over at once.
func addHooks(generic *genericapiserver.GenericAPIServer, embedded *embedded, connections *connections, fence *storageFence) error {
	if err := generic.AddReadyzChecks(embedded.cacheChecks()...); err != nil {
		return err
	}
	if err := generic.AddPostStartHook("place-connections", connections.placementHook); err != nil {
		return err
	}
	hooks := &controllerHooks{
		embedded: embedded, connections: connections, fence: fence, stopping: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := generic.AddPostStartHook("start-sandbox-controllers", hooks.start); err != nil {
		return err
	}
	return generic.AddPreShutdownHook("stop-sandbox-controllers", hooks.stop)
}

// controllerHooks tie the controllers to the life of the server.
type controllerHooks struct {
	*embedded
	connections *connections
	fence       *storageFence
	started     atomic.Bool
	stopping    chan struct{}
	stopped     chan struct{}
}

func (h *controllerHooks) start(hook genericapiserver.PostStartHookContext) error {
	h.started.Store(true)
	startDependencies := sync.OnceValue(func() error { return h.dependencies.Start(hook.Context) })
	go func() {
		defer close(h.stopped)
		ctx, stop := context.WithCancel(hook.Context)
		defer stop()
		go func() {
			defer stop()
			<-h.stopping
		}()
		h.fence.gate.WhileGreen(ctx, func(ctx context.Context) {
			err := startDependencies()
			if err == nil {
				err = runWhileLeading(ctx, h.lock, func(ctx context.Context) { h.fence.Keep(ctx, h.run) })
			}
			if err != nil {
				klog.FromContext(ctx).Error(err, "running the controllers")
			}
		})
	}()
	return nil
}

// stop returns when the controllers have ended and clients have moved, which happens at
// the same time: hooks of their own would run one after the other.
func (h *controllerHooks) stop() error {
	close(h.stopping)
	h.connections.drain(context.Background(), ShutdownDelay)
	if h.started.Load() {
		<-h.stopped
	}
	return nil
}

// watchCacheChecks names a readiness check for each resource's watch cache.
func watchCacheChecks(storage map[string]rest.Storage) []healthz.HealthChecker {
	var checks []healthz.HealthChecker
	for resource, served := range storage {
		if ready, ok := served.(rest.StorageWithReadiness); ok {
			checks = append(checks, healthz.NamedCheck("watch-cache/"+resource, func(*http.Request) error { return ready.ReadinessCheck() }))
		}
	}
	return checks
}

// cacheCheck names a readiness check for an informer's cache.
func cacheCheck(name string, informer cache.SharedIndexInformer) healthz.HealthChecker {
	return healthz.NamedCheck("informer/"+name, func(*http.Request) error {
		if !informer.HasSynced() {
			return fmt.Errorf("the cache of %s has not synced yet", name)
		}
		return nil
	})
}
