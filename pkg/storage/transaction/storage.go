// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"fmt"
	"path"
	"sync"

	"go.etcd.io/etcd/client/v3/kubernetes"
	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/etcd3"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/utils/clock"
)

// This file alone knows k8s.io/apiserver's etcd3 constructors; their signatures
// move between minor versions. It stands where storagebackend/factory's
// newETCD3Storage stands for other resources, and differs from it in the client
// that all resources share and in Kubernetes, the interface that writes go
// through.

type stoppableCompactor interface {
	etcd3.Compactor
	Stop()
}

// newConnection dials and starts the compactor. Every replica runs one; they
// agree through a key in etcd on who compacts.
func newConnection(config storagebackend.Config, dialOptions []grpc.DialOption) (*connection, error) {
	client, err := dial(config.Transport, dialOptions)
	if err != nil {
		return nil, err
	}
	client.KV = etcd3.NewETCDLatencyTracker(client.KV)
	c := &connection{client: client, prefix: path.Join("/", config.Prefix)}
	if config.CompactionInterval > 0 {
		// Not StartCompactorPerEndpoint: it keeps compactors in a variable of the
		// process, where one Backend's stop would end another's.
		c.compactor = etcd3.NewCompactor(client, config.CompactionInterval, clock.RealClock{}, nil)
	}
	return c, nil
}

// resource is what a storage decorator is given to make a resource's storage.
type resource struct {
	config               *storagebackend.ConfigForResource
	prefix               string
	newFunc, newListFunc func() runtime.Object
}

// rawStorage opens a resource's storage without a watch cache.
func (b *Backend) rawStorage(r resource) (storage.Interface, factory.DestroyFunc, error) {
	switch r.config.Type {
	case storagebackend.StorageTypeUnset, storagebackend.StorageTypeETCD3:
	default:
		return nil, nil, fmt.Errorf("opening storage of %s: storage type %q is unknown, only etcd3 is supported", r.config.GroupResource, r.config.Type)
	}
	c, release, err := b.acquire(r.config.Config)
	if err != nil {
		return nil, nil, fmt.Errorf("opening storage of %s: %w", r.config.GroupResource, err)
	}
	s, closeStore, err := newStore(c, r)
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("opening storage of %s: %w", r.config.GroupResource, err)
	}
	// Stores shared by subresources are destroyed once for each of them.
	destroy := sync.OnceFunc(func() {
		closeStore()
		release()
	})
	return s, destroy, nil
}

func newStore(c *connection, r resource) (storage.Interface, func(), error) {
	config := r.config
	versioner := storage.APIObjectVersioner{}
	transformer := config.Transformer
	if transformer == nil {
		transformer = identity.NewEncryptCheckTransformer()
	}
	decoder := etcd3.NewDefaultDecoder(config.Codec, versioner)
	deletesCorrupt := utilfeature.DefaultFeatureGate.Enabled(features.AllowUnsafeMalformedObjectDeletion)
	if deletesCorrupt {
		transformer = etcd3.WithCorruptObjErrorHandlingTransformer(transformer)
		decoder = etcd3.WithCorruptObjErrorHandlingDecoder(decoder)
	}
	var compactor etcd3.Compactor
	if c.compactor != nil {
		compactor = c.compactor
	}
	store, err := etcd3.New(joiningClient(c, r), compactor, config.Codec, r.newFunc, r.newListFunc, config.Prefix, r.prefix,
		config.GroupResource, transformer, config.LeaseManagerConfig, decoder, versioner)
	if err != nil {
		return nil, nil, err
	}
	var s storage.Interface = refuseTerminating{Interface: store, resource: config.GroupResource}
	if deletesCorrupt {
		s = etcd3.NewStoreWithUnsafeCorruptObjectDeletion(s, config.GroupResource)
	}
	return s, store.Close, nil
}

// joiningClient shares the connection and gives the store a Kubernetes of its
// own, which knows whose writes come through it.
func joiningClient(c *connection, r resource) *kubernetes.Client {
	plain := kubernetes.Client{Client: c.client}
	return &kubernetes.Client{
		Client: c.client,
		Kubernetes: writer{
			Interface: plain,
			place:     place{connection: c, prefix: r.prefix, resource: r.config.GroupResource},
		},
	}
}
