// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

const (
	// A key that keeps failing is tried again after minRetry, then after twice as long each time up to maxRetry.
	minRetry = 5 * time.Millisecond
	maxRetry = 2 * time.Minute
	// All retries of one controller together: a cluster that refuses everything must not be hammered by thousands of keys.
	retriesPerSecond = 100
	retryBurst       = 1000
)

// Key names one object; Namespace is empty for an object without one.
type Key = cache.ObjectName

// Result says when a key that was synced without error is to be synced again. The zero value means: when it is enqueued.
type Result struct {
	// RequeueAfter is a delay from now. Zero or less asks for nothing.
	RequeueAfter time.Duration
}

// Options describe one controller to its Worker. All fields but Synced, Urgency and Yield are required.
type Options struct {
	// Name is the controller's name in logs and metrics, and must be unique in the process.
	Name string
	// Sync brings one key to where it should be. It is called by several goroutines, never by two for one key. An error
	// asks for a retry with back-off (its Result is then ignored), a conflict for one without complaint in the log. The
	// context ends with the term; its logger knows controller and key.
	Sync func(ctx context.Context, key Key) (Result, error)
	// Seed lists, from the caches, every key that may need work: objects, and owners named by what is left of them.
	// It is called at the start of each term, after the caches have synced and while Enqueue already works.
	Seed func() []Key
	// Synced are the caches and event handlers that must have caught up before the first Sync of a term.
	Synced []cache.DoneChecker
	// Workers is the number of keys that are synced at a time.
	Workers int
	// Urgency says where a key waits that is added or asked for again; nil: all alike. It is called with the queue locked, so
	// it looks into caches and does nothing else.
	Urgency func(Key) Urgency
	// Yield is called before each Sync and returns when nothing more urgent goes on in the process. Nil: nothing ever does.
	Yield func(ctx context.Context)
}

// Worker calls Sync for keys. All methods may be called by several goroutines.
type Worker struct {
	options Options
	term    chan struct{} // holds one token while a term runs

	mu    sync.RWMutex
	queue keyQueue // that of the latest term, nil before the first; a queue that is shut down drops what is added
}

type keyQueue = workqueue.TypedRateLimitingInterface[Key]

// New builds a Worker that does nothing until Run. It keeps nothing of an earlier one and is cheap.
func New(options Options) *Worker {
	return &Worker{options: options, term: make(chan struct{}, 1)}
}

// Enqueue asks for a sync of key as soon as a worker is free. Between terms it does nothing.
func (w *Worker) Enqueue(key Key) {
	if queue := w.current(); queue != nil {
		queue.Add(key)
	}
}

// EnqueueAfter asks for a sync of key after the delay. Of several delays of one key the earliest counts, and an Enqueue
// meanwhile does not take it back. Between terms it does nothing.
func (w *Worker) EnqueueAfter(key Key, delay time.Duration) {
	if queue := w.current(); queue != nil {
		queue.AddAfter(key, delay)
	}
}

// Run works until ctx ends and every running sync has returned. A second Run waits for the first one to return.
func (w *Worker) Run(ctx context.Context) {
	register()
	select {
	case w.term <- struct{}{}:
		defer func() { <-w.term }()
	case <-ctx.Done():
		return
	}
	logger := klog.FromContext(ctx).WithValues("controller", w.options.Name)
	ctx = klog.NewContext(ctx, logger)
	defer logger.Info("Controller has stopped")

	var workers sync.WaitGroup
	defer workers.Wait()
	queue := w.open()
	defer queue.ShutDown()
	if !cache.WaitFor(ctx, w.options.Name+" caches", w.options.Synced...) {
		return
	}
	for _, key := range w.options.Seed() {
		queue.Add(key)
	}
	logger.Info("Controller is running", "workers", w.options.Workers, "keys", queue.Len())
	for range w.options.Workers {
		workers.Go(func() { w.work(ctx, queue) })
	}
	<-ctx.Done()
}

func (w *Worker) current() keyQueue {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.queue
}

func (w *Worker) open() keyQueue {
	ordered := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[Key]{Name: w.options.Name, Queue: newLanes(w.options.Urgency)})
	delaying := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[Key]{Name: w.options.Name, Queue: ordered})
	queue := workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedMaxOfRateLimiter(
			workqueue.NewTypedItemExponentialFailureRateLimiter[Key](minRetry, maxRetry),
			&workqueue.TypedBucketRateLimiter[Key]{Limiter: rate.NewLimiter(retriesPerSecond, retryBurst)},
		),
		workqueue.TypedRateLimitingQueueConfig[Key]{DelayingQueue: delaying},
	)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = queue
	return queue
}

// work returns when the queue is shut down and empty. Keys that it takes after the end of ctx are thrown away.
func (w *Worker) work(ctx context.Context, queue keyQueue) {
	for {
		key, shutdown := queue.Get()
		if shutdown {
			return
		}
		if w.options.Yield != nil {
			w.options.Yield(ctx)
		}
		if ctx.Err() == nil {
			w.process(ctx, queue, key)
		}
		queue.Done(key)
	}
}

// process syncs one key and decides when it is its turn again.
func (w *Worker) process(ctx context.Context, queue keyQueue, key Key) {
	logger := klog.FromContext(ctx).WithValues("key", key)
	start := time.Now()
	result, panicking, err := w.sync(klog.NewContext(ctx, logger), key)
	outcome := judge(ctx, result, panicking, err)
	syncDuration.WithLabelValues(w.options.Name, string(outcome)).Observe(time.Since(start).Seconds())

	switch outcome {
	case succeeded:
		queue.Forget(key)
	case requeued:
		queue.Forget(key)
		queue.AddAfter(key, result.RequeueAfter)
	case conflict:
		logger.V(4).Info("Sync met a conflict and is tried again", "err", err)
		queue.AddRateLimited(key)
	case failed, panicked:
		logger.Error(err, "Sync is tried again", "retries", queue.NumRequeues(key))
		queue.AddRateLimited(key)
	case cancelled:
		logger.V(4).Info("Sync ended with the term", "err", err)
	}
}

// judge is pure but for asking whether the term is over.
func judge(ctx context.Context, result Result, panicking bool, err error) outcome {
	switch {
	case panicking:
		return panicked
	case err != nil && ctx.Err() != nil:
		return cancelled
	case apierrors.IsConflict(err):
		return conflict
	case err != nil:
		return failed
	case result.RequeueAfter > 0:
		return requeued
	default:
		return succeeded
	}
}

// sync turns a panic into an error, after the handlers of the process have seen and logged it.
func (w *Worker) sync(ctx context.Context, key Key) (result Result, panicking bool, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			for _, handle := range utilruntime.PanicHandlers {
				handle(ctx, reason)
			}
			panicking, err = true, fmt.Errorf("panicking: %v", reason)
		}
	}()
	result, err = w.options.Sync(ctx, key)
	return result, false, err
}
