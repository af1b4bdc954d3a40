// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/measure"
)

// readiness remembers when each claim was asked for, and when a watch showed it Ready.
type readiness struct {
	mu    sync.Mutex
	begin time.Time
	asked map[string]time.Time
	ready map[string]time.Time
}

// watchClaims watches the claims of a namespace until stop is called. A watch that the server
// ends, as it does with one that falls behind, goes on where it ended.
func (e *Env) watchClaims(ctx context.Context, namespace string) (seen *readiness, stop func(), err error) {
	claims := e.Client.SandboxV1beta1().SandboxClaims(namespace)
	list, err := claims.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("listing claims: %w", err)
	}
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &cache.ListWatch{WatchFuncWithContext: claims.Watch})
	if err != nil {
		return nil, nil, fmt.Errorf("watching claims: %w", err)
	}
	seen = &readiness{begin: time.Now(), asked: map[string]time.Time{}, ready: map[string]time.Time{}}
	go func() {
		for event := range watcher.ResultChan() {
			if claim, ok := event.Object.(*v1beta1.SandboxClaim); ok && claimReady(claim) {
				seen.note(seen.ready, claim.Name)
			}
		}
	}()
	return seen, watcher.Stop, nil
}

func (r *readiness) note(times map[string]time.Time, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, found := times[name]; !found {
		times[name] = time.Now()
	}
}

// noting is op, which makes claims called prefix-i, with the time of the call remembered.
func (r *readiness) noting(prefix string, op measure.Operation) measure.Operation {
	return func(ctx context.Context, i int) error {
		r.note(r.asked, fmt.Sprintf("%s-%d", prefix, i))
		return op(ctx, i)
	}
}

// all waits until n claims have been seen Ready.
func (r *readiness) all(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		r.mu.Lock()
		have := len(r.ready)
		r.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d claims to be Ready, %d are: %w", n, have, ctx.Err())
		case <-ticker.C:
		}
	}
}

// calls are the claims that became Ready, each from the call to the event.
func (r *readiness) calls() []measure.Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	var calls []measure.Call
	for name, asked := range r.asked {
		if ready, found := r.ready[name]; found {
			calls = append(calls, measure.Call{Start: asked.Sub(r.begin), Took: ready.Sub(asked)})
		}
	}
	return calls
}
