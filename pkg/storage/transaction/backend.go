// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/client-go/tools/cache"
)

// Backend opens the storage of resources and owns the etcd connections they
// share. A connection lives from the first storage opened on it until the
// DestroyFunc of the last has run. Two resources can take part in one joined
// write only if the same Backend opened both. Safe for concurrent use.
type Backend struct {
	// Intern is called with every object on its way into a watch cache, and may let it share
	// parts with others. Set it before the first storage is opened; nil does nothing.
	Intern func(runtime.Object)

	// dialOptions are those of every client, before its own.
	dialOptions []grpc.DialOption

	mu          sync.Mutex
	connections map[connectionKey]*connection
}

// NewBackend returns a Backend without connections. Its clients have the dial options
// on top of what they need; an interceptor sees every attempt, and its errors are taken
// for etcd's: see refused.
func NewBackend(dialOptions ...grpc.DialOption) *Backend {
	registerMetrics()
	return &Backend{dialOptions: dialOptions, connections: map[connectionKey]*connection{}}
}

// WrapRESTOptions returns a getter that answers as getter does, except that
// storage is opened by this Backend: with a watch cache where cached says so.
func (b *Backend) WrapRESTOptions(getter generic.RESTOptionsGetter, cached func(schema.GroupResource) bool) generic.RESTOptionsGetter {
	return restOptionsGetter{backend: b, delegate: getter, cached: cached}
}

type restOptionsGetter struct {
	backend  *Backend
	delegate generic.RESTOptionsGetter
	cached   func(schema.GroupResource) bool
}

func (g restOptionsGetter) GetRESTOptions(resource schema.GroupResource, example runtime.Object) (generic.RESTOptions, error) {
	options, err := g.delegate.GetRESTOptions(resource, example)
	if err != nil {
		return generic.RESTOptions{}, err
	}
	options.Decorator = g.backend.Uncached()
	if g.cached(resource) {
		options.Decorator = g.backend.Cached()
	}
	return options, nil
}

// Uncached decorates nothing: a resource's storage as it is in etcd.
func (b *Backend) Uncached() generic.StorageDecorator {
	return func(
		config *storagebackend.ConfigForResource, resourcePrefix string,
		_ func(runtime.Object) (string, error), newFunc, newListFunc func() runtime.Object,
		_ storage.AttrFunc, _ storage.IndexerFuncs, _ *cache.Indexers,
	) (storage.Interface, factory.DestroyFunc, error) {
		return b.rawStorage(resource{config: config, prefix: resourcePrefix, newFunc: newFunc, newListFunc: newListFunc})
	}
}

// Cached puts a watch cache in front of a resource's storage.
func (b *Backend) Cached() generic.StorageDecorator {
	return func(
		config *storagebackend.ConfigForResource, resourcePrefix string,
		keyFunc func(runtime.Object) (string, error), newFunc, newListFunc func() runtime.Object,
		getAttrs storage.AttrFunc, triggers storage.IndexerFuncs, indexers *cache.Indexers,
	) (storage.Interface, factory.DestroyFunc, error) {
		raw, destroyRaw, err := b.rawStorage(resource{config: config, prefix: resourcePrefix, newFunc: newFunc, newListFunc: newListFunc})
		if err != nil {
			return nil, nil, err
		}
		fed := raw
		if b.Intern != nil {
			fed = interned{raw, b.Intern}
		}
		watchCache, err := cacher.NewCacherFromConfig(cacher.Config{
			Storage:             fed,
			Versioner:           storage.APIObjectVersioner{},
			GroupResource:       config.GroupResource,
			EventsHistoryWindow: config.EventsHistoryWindow,
			ResourcePrefix:      resourcePrefix,
			KeyFunc:             keyFunc,
			NewFunc:             newFunc,
			NewListFunc:         newListFunc,
			GetAttrsFunc:        getAttrs,
			IndexerFuncs:        triggers,
			Indexers:            indexers,
			Codec:               config.Codec,
		})
		if err != nil {
			destroyRaw()
			return nil, nil, err
		}
		delegator := cacher.NewCacheDelegator(watchCache, raw)
		destroy := sync.OnceFunc(func() {
			delegator.Stop()
			watchCache.Stop()
			destroyRaw()
		})
		return delegator, destroy, nil
	}
}

// Client returns the client that the storages opened from config share, and the
// prefix of its keys, until release is called. It never dials: one must be open.
func (b *Backend) Client(config storagebackend.Config) (client *clientv3.Client, prefix string, release func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := keyOf(config)
	c, ok := b.connections[key]
	if !ok {
		return nil, "", nil, errNothingOpen
	}
	c.users++
	return c.client, c.prefix, sync.OnceFunc(func() { b.release(key) }), nil
}

// acquire returns the connection for config and a function that gives it back.
// Dialling happens under the lock: a second resource waits for it and shares
// the result.
func (b *Backend) acquire(config storagebackend.Config) (*connection, func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := keyOf(config)
	c, ok := b.connections[key]
	if !ok {
		var err error
		if c, err = newConnection(config, b.dialOptions); err != nil {
			return nil, nil, err
		}
		b.connections[key] = c
	}
	c.users++
	return c, func() { b.release(key) }, nil
}

func (b *Backend) release(key connectionKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.connections[key]
	c.users--
	if c.users == 0 {
		delete(b.connections, key)
		c.close()
	}
}

// open lists the connections that are in use now.
func (b *Backend) open() []*connection {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*connection, 0, len(b.connections))
	for _, c := range b.connections {
		all = append(all, c)
	}
	return all
}
