// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/retry"
	"k8s.io/klog/v2"
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

// runWhileLeading campaigns until ctx ends and calls work for each term. The context of
// work ends with the term, and the Lease is given up only after work has returned, so that
// the next leader does not meet the last one's writes. While the server ends, the Lease is
// renewed until then. When it cannot be renewed, the term ends at the latest
// retryPeriod+renewDeadline after the last renewal was answered: others wait for the rest
// of leaseDuration. Work that needs longer, or after an answer that was that slow, meets the
// next leader: nothing can keep the Lease for it, and what both write must bear it (UIDs,
// versions).
func runWhileLeading(ctx context.Context, lock resourcelock.Interface, work func(context.Context)) error {
	for ctx.Err() == nil {
		if err := runOneTerm(ctx, lock, work); err != nil {
			return err
		}
	}
	return nil
}

func runOneTerm(ctx context.Context, lock resourcelock.Interface, work func(context.Context)) error {
	started, ended := make(chan context.Context, 1), make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, Name: lock.Describe(),
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) { started <- leading },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("making the elector of %s: %w", lock.Describe(), err)
	}
	// The election outlives ctx by the time that work needs to return.
	election, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() {
		defer close(ended)
		elector.Run(election)
	}()
	select {
	case leading := <-started:
		underBoth(ctx, leading, work)
	case <-ctx.Done():
	}
	stop()
	<-ended
	if err := release(context.WithoutCancel(ctx), lock); err != nil {
		klog.FromContext(ctx).Error(err, "The Lease is left to run out", "lock", lock.Describe())
	}
	return nil
}

// underBoth calls work with a context that ends with either.
func underBoth(ctx, leading context.Context, work func(context.Context)) {
	both, end := context.WithCancel(leading)
	defer end()
	defer context.AfterFunc(ctx, end)()
	work(both)
}

// release gives the Lease up if it is ours. The elector's own ReleaseOnCancel would do it
// before the work is told to end, and goes by the holder that it last saw: it may take the
// Lease from the next leader. A conflict is a renewal that was cut off and arrived after
// all, or the next leader.
func release(ctx context.Context, lock resourcelock.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, renewDeadline)
	defer cancel()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		record, _, err := lock.Get(ctx)
		if err != nil || record.HolderIdentity != lock.Identity() {
			return err
		}
		record.HolderIdentity = ""
		return lock.Update(ctx, *record)
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("giving the Lease %s up: %w", lock.Describe(), err)
	}
	return nil
}
