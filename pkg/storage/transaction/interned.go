// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
)

// interned is the storage below a watch cache: what it lists and sees has passed intern,
// and nothing else has seen it. Reads for writes go around the cache and get objects of
// their own.
type interned struct {
	storage.Interface
	intern func(runtime.Object)
}

// GetList implements storage.Interface.
func (s interned) GetList(ctx context.Context, key string, opts storage.ListOptions, list runtime.Object) error {
	if err := s.Interface.GetList(ctx, key, opts, list); err != nil {
		return err
	}
	return meta.EachListItem(list, func(object runtime.Object) error {
		s.intern(object)
		return nil
	})
}

// Watch implements storage.Interface.
func (s interned) Watch(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	watcher, err := s.Interface.Watch(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	return watch.Filter(watcher, func(event watch.Event) (watch.Event, bool) {
		object := event.Object
		if timed, ok := object.(storage.WatchEventWithRecordTime); ok {
			object = timed.Unwrap()
		}
		s.intern(object)
		return event, true
	}), nil
}
