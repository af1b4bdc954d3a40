// SPDX-License-Identifier: Apache-2.0

package violence

import (
	"context"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	watchtools "k8s.io/client-go/tools/watch"

	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned"
	"agents.x-k8s.io/sandbox-apiserver/test/e2e/history"
)

// watcher is a client that watches one resource all the time: when its replica dies, it
// goes on at another from where it was. If that one is too young to know what was then,
// it begins anew.
type watcher struct {
	recorder *recorder
	source   source
	stop     context.CancelFunc
	done     chan struct{}
	watched  []history.Watched
}

// source is a resource at whatever replica there is.
type source struct {
	*replicas
	watch func(client versioned.Interface, options metav1.ListOptions) (watch.Interface, error)
}

// WatchWithContext implements cache.WatcherWithContext.
func (s source) WatchWithContext(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return s.watch(s.oldest(), options)
}

// startWatcher watches all that recorder records.
func startWatcher(recorder *recorder, from source) *watcher {
	ctx, stop := context.WithCancel(recorder.ns.T.Context())
	w := &watcher{recorder: recorder, source: from, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.watched = append(w.watched, w.watch(ctx, recorder.from))
		for ctx.Err() == nil {
			w.watched = append(w.watched, w.watch(ctx, recorder.now(ctx)))
		}
	}()
	return w
}

// watch returns when it cannot go on from where it was, or ctx ends.
func (w *watcher) watch(ctx context.Context, after int64) history.Watched {
	watched := history.Watched{After: after}
	events, err := watchtools.NewRetryWatcherWithContext(ctx, strconv.FormatInt(after, 10), w.source)
	if err != nil {
		w.recorder.ns.T.Errorf("watching: %v", err)
		return watched
	}
	for event := range events.ResultChan() {
		object, ok := event.Object.(metav1.Object)
		if err := apierrors.FromObject(event.Object); !ok && !apierrors.IsResourceExpired(err) {
			w.recorder.ns.T.Errorf("watching: %v", err)
		} else if ok {
			watched.Delivered = append(watched.Delivered, history.Delivery{
				Revision: revision(object), UID: string(object.GetUID()), Gone: event.Type == watch.Deleted,
			})
		}
	}
	return watched
}

// revision is that of etcd at which an object was written.
func revision(object metav1.Object) int64 {
	number, _ := strconv.ParseInt(object.GetResourceVersion(), 10, 64) // nothing was written at 0
	return number
}

// finish returns what was delivered.
func (w *watcher) finish() []history.Watched {
	w.stop()
	<-w.done
	return w.watched
}
