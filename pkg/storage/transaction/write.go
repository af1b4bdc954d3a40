// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage"
)

// place says where a store's objects are.
type place struct {
	connection *connection
	prefix     string
	resource   schema.GroupResource
}

// write is one put as the etcd3 store asked for it: final bytes, encoded and
// encrypted.
type write struct {
	place    place
	key      string
	value    []byte
	revision int64
	lease    clientv3.LeaseID
}

func (w write) unchanged() clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(w.key), "=", w.revision)
}

func (w write) put() clientv3.Op {
	return clientv3.OpPut(w.key, string(w.value), clientv3.WithLease(w.lease))
}

func (w write) get() clientv3.Op {
	return clientv3.OpGet(w.key)
}

// writer is the client of one store. Outside a joined write it does what the
// embedded client does.
type writer struct {
	kubernetes.Interface
	place place
}

func (w writer) OptimisticPut(ctx context.Context, key string, value []byte, revision int64, o kubernetes.PutOptions) (kubernetes.PutResponse, error) {
	j := joinOf(ctx)
	if j == nil {
		return w.Interface.OptimisticPut(ctx, key, value, revision, o)
	}
	return j.put(ctx, write{place: w.place, key: key, value: value, revision: revision, lease: o.LeaseID})
}

func (w writer) OptimisticDelete(ctx context.Context, key string, revision int64, o kubernetes.DeleteOptions) (kubernetes.DeleteResponse, error) {
	if joinOf(ctx) != nil {
		return kubernetes.DeleteResponse{}, fmt.Errorf("deleting an object of %s inside a joined write: %w", w.place.resource, errMisuse)
	}
	return w.Interface.OptimisticDelete(ctx, key, revision, o)
}

// refuseTerminating keeps joined writes off objects that are being deleted: an
// update that takes the last finalizer away becomes a delete, which no joined
// write can hold.
type refuseTerminating struct {
	storage.Interface
	resource schema.GroupResource
}

func (s refuseTerminating) GuaranteedUpdate(
	ctx context.Context, key string, destination runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, tryUpdate storage.UpdateFunc, cachedExistingObject runtime.Object,
) error {
	if joinOf(ctx) == nil {
		return s.Interface.GuaranteedUpdate(ctx, key, destination, ignoreNotFound, preconditions, tryUpdate, cachedExistingObject)
	}
	refuse := func(existing runtime.Object, m storage.ResponseMeta) (runtime.Object, *uint64, error) {
		object, err := meta.Accessor(existing)
		if err != nil {
			return nil, nil, fmt.Errorf("reading metadata of an object of %s: %w", s.resource, err)
		}
		if object.GetDeletionTimestamp() != nil {
			return nil, nil, apierrors.NewConflict(s.resource, object.GetName(), errTerminating)
		}
		return tryUpdate(existing, m)
	}
	return s.Interface.GuaranteedUpdate(ctx, key, destination, ignoreNotFound, preconditions, refuse, cachedExistingObject)
}
