// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// The timings of the Lease are shorter than those of kube-controller-manager: every
// replica keeps its caches warm, so a change of the leader costs little, and nothing fills
// pools until the Lease of a dead one has run out.
const (
	leaseDuration = 10 * time.Second
	renewDeadline = 7 * time.Second
	retryPeriod   = 2 * time.Second
)

// LeaderElection names the Lease in the main cluster that one replica holds.
type LeaderElection struct {
	Namespace string
	Name      string
	// Identity is unique among replicas.
	Identity string
}

// newLock makes the lock without talking to the cluster.
func (e LeaderElection) newLock(kube *rest.Config) (resourcelock.Interface, error) {
	config := rest.CopyConfig(kube)
	config.Timeout = renewDeadline / 2
	client, err := coordinationv1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the client for the Lease %s/%s: %w", e.Namespace, e.Name, err)
	}
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: e.Namespace, Name: e.Name},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: e.Identity},
	}, nil
}

// runWhileLeading campaigns until ctx ends and calls work for each term. The
// context of work ends with the term. When ctx ends, the Lease is released only after
// work has returned, so that the next leader does not meet the last one's writes. When the
// Lease cannot be renewed, client-go gives it up first and ends the work then: for some
// seconds there may be two leaders, and what they write must bear it (UIDs, versions).
func runWhileLeading(ctx context.Context, lock resourcelock.Interface, work func(context.Context)) error {
	for ctx.Err() == nil {
		if err := runOneTerm(ctx, lock, work); err != nil {
			return err
		}
	}
	return nil
}

func runOneTerm(ctx context.Context, lock resourcelock.Interface, work func(context.Context)) error {
	// The election outlives ctx by the time that work needs to return.
	election, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	term := &term{lead: ctx, work: work, release: release}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, Name: lock.Describe(), ReleaseOnCancel: true,
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: term.run, OnStoppedLeading: func() {}},
	})
	if err != nil {
		return fmt.Errorf("making the elector of %s: %w", lock.Describe(), err)
	}
	defer context.AfterFunc(ctx, term.releaseUnlessWorking)()
	elector.Run(election)
	term.end()
	return nil
}

// term is one leadership, or the campaign for it.
type term struct {
	lead    context.Context
	work    func(context.Context)
	release context.CancelFunc

	// mu is held while work runs; over says that it must not start any more.
	mu      sync.Mutex
	working atomic.Bool
	over    bool
}

// run does the work of the term and gives the Lease back.
func (t *term) run(leading context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	t.working.Store(true)
	defer t.release()
	ctx, stop := context.WithCancel(leading)
	defer stop()
	defer context.AfterFunc(t.lead, stop)() //nolint:contextcheck // the term ends with either context
	t.work(ctx)
}

// releaseUnlessWorking ends a campaign; a term releases when its work is done.
func (t *term) releaseUnlessWorking() {
	if !t.working.Load() {
		t.release()
	}
}

// end waits for the work and keeps it from starting late.
func (t *term) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
}
