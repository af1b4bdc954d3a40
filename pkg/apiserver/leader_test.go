// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"
)

// leaseOf is the Lease of the tests, for the replica of that name.
func leaseOf(cluster *fake.Clientset, identity string) *resourcelock.LeaseLock {
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: "system", Name: "sandbox-apiserver"},
		Client:     cluster.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
	}
}

func storedLease(t *testing.T, cluster *fake.Clientset) *coordinationv1.Lease {
	t.Helper()
	lease, err := cluster.CoordinationV1().Leases("system").Get(t.Context(), "sandbox-apiserver", metav1.GetOptions{})
	require.NoError(t, err)
	return lease
}

// holder is who has the Lease; empty once it has been given back.
func holder(t *testing.T, cluster *fake.Clientset) string {
	t.Helper()
	return ptr.Deref(storedLease(t, cluster).Spec.HolderIdentity, "")
}

func TestLeaseIsReleasedAfterTheWork(t *testing.T) {
	cluster := fake.NewClientset()
	lock := leaseOf(cluster, "me")
	ctx, shutDown := context.WithCancel(t.Context())
	leading, ended, finish, returned := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(returned)
		assert.NoError(t, runWhileLeading(ctx, lock, func(term context.Context) {
			close(leading)
			<-term.Done()
			close(ended)
			<-finish
		}))
	}()
	within(t, leading, "leads")
	shutDown()
	within(t, ended, "the term ends with the server")
	assert.Equal(t, "me", holder(t, cluster), "the last write is still to come")
	select {
	case <-returned:
		assert.Fail(t, "returned before the work")
	default:
	}
	close(finish)
	within(t, returned, "returns")
	assert.Empty(t, holder(t, cluster), "the next leader need not wait")
}

// fault says what is wrong with a call for the Lease, which writes a record or reads.
type fault func(ctx context.Context, written *resourcelock.LeaderElectionRecord) error

func none(context.Context, *resourcelock.LeaderElectionRecord) error { return nil }

// unanswered is a call until the client gives up.
func unanswered(ctx context.Context, _ *resourcelock.LeaderElectionRecord) error {
	ctx, giveUp := context.WithTimeout(ctx, renewDeadline/2)
	defer giveUp()
	<-ctx.Done()
	return ctx.Err()
}

// refuseRenewals lets nothing be written but that nobody holds the Lease.
func refuseRenewals(_ context.Context, written *resourcelock.LeaderElectionRecord) error {
	if written == nil || written.HolderIdentity == "" {
		return nil
	}
	return apierrors.NewServiceUnavailable("no renewals")
}

// faultyLock is a Lease in a cluster that has faults.
type faultyLock struct {
	resourcelock.Interface
	fault atomic.Pointer[fault]
}

func newFaultyLock(cluster *fake.Clientset, f fault) *faultyLock {
	l := &faultyLock{Interface: leaseOf(cluster, "me")}
	l.fault.Store(&f)
	return l
}

func (l *faultyLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if err := (*l.fault.Load())(ctx, nil); err != nil {
		return nil, nil, err
	}
	return l.Interface.Get(ctx)
}

func (l *faultyLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if err := (*l.fault.Load())(ctx, &record); err != nil {
		return err
	}
	return l.Interface.Update(ctx, record)
}

// longWork is work of one term that takes its time to return.
type longWork struct {
	// ended is closed when the term is over; the work returns with finish.
	ended, finish chan struct{}
	// returned is closed after the term.
	returned chan struct{}
}

// lead runs a term whose work has begun when it returns.
func lead(ctx context.Context, t *testing.T, lock resourcelock.Interface) *longWork {
	t.Helper()
	leading := make(chan struct{})
	w := &longWork{ended: make(chan struct{}), finish: make(chan struct{}), returned: make(chan struct{})}
	go func() {
		defer close(w.returned)
		assert.NoError(t, runOneTerm(ctx, lock, func(term context.Context) {
			close(leading)
			<-term.Done()
			close(w.ended)
			<-w.finish
		}))
	}()
	<-leading
	return w
}

// Whatever keeps the Lease from being renewed: the work is told to end while the Lease
// still keeps others off, and the Lease is given up only after it has returned.
func TestALeaseThatCannotBeRenewedIsGivenUpAfterTheWork(t *testing.T) {
	for name, f := range map[string]fault{"refused": refuseRenewals, "unanswered": unanswered} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := fake.NewClientset()
				lock := newFaultyLock(cluster, none)
				work := lead(t.Context(), t, lock)
				<-time.After(time.Minute)
				synctest.Wait()
				renewed := storedLease(t, cluster).Spec.RenewTime.Time
				lock.fault.Store(&f)

				<-work.ended
				assert.Less(t, time.Since(renewed), leaseDuration, "others may lead from then on")
				synctest.Wait()
				assert.Equal(t, "me", holder(t, cluster), "the last write is still to come")
				<-time.After(time.Hour)
				assert.Equal(t, "me", holder(t, cluster))

				recovered := fault(refuseRenewals)
				lock.fault.Store(&recovered)
				close(work.finish)
				<-work.returned
				assert.Empty(t, holder(t, cluster), "the next leader need not wait")
			})
		})
	}
}

// While the work of a server that ends takes its time, nobody else leads.
func TestALeaseIsRenewedUntilTheWorkHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := fake.NewClientset()
		ctx, shutDown := context.WithCancel(t.Context())
		work := lead(ctx, t, leaseOf(cluster, "me"))
		shutDown()
		<-work.ended
		<-time.After(time.Hour)
		assert.WithinDuration(t, time.Now(), storedLease(t, cluster).Spec.RenewTime.Time, retryPeriod)
		close(work.finish)
		<-work.returned
		assert.Empty(t, holder(t, cluster))
	})
}

// Work that outlasts the Lease meets the next leader, and takes nothing from it.
func TestTheLeaseOfTheNextLeaderIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := fake.NewClientset()
		work := lead(t.Context(), t, newFaultyLock(cluster, refuseRenewals))
		<-work.ended
		taken := storedLease(t, cluster)
		taken.Spec.HolderIdentity = ptr.To("other")
		_, err := cluster.CoordinationV1().Leases("system").Update(t.Context(), taken, metav1.UpdateOptions{})
		require.NoError(t, err)
		close(work.finish)
		<-work.returned
		assert.Equal(t, "other", holder(t, cluster))
	})
}

// A renewal that was cut off by the end of the term may arrive after all.
func TestALeaseIsGivenUpThoughARenewalCameInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := fake.NewClientset()
		conflicts := 0
		lock := newFaultyLock(cluster, func(_ context.Context, written *resourcelock.LeaderElectionRecord) error {
			if written != nil && written.HolderIdentity == "" && conflicts == 0 {
				conflicts++
				return apierrors.NewConflict(coordinationv1.Resource("leases"), "sandbox-apiserver", errors.New("a renewal came in between"))
			}
			return nil
		})
		ctx, shutDown := context.WithCancel(t.Context())
		work := lead(ctx, t, lock)
		shutDown()
		close(work.finish)
		<-work.returned
		assert.Equal(t, 1, conflicts)
		assert.Empty(t, holder(t, cluster))
	})
}

func TestACampaignEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := fake.NewClientset()
		now := metav1.Now()
		require.NoError(t, leaseOf(cluster, "other").Create(t.Context(), resourcelock.LeaderElectionRecord{
			HolderIdentity: "other", LeaseDurationSeconds: 3600, AcquireTime: now, RenewTime: now,
		}))
		ctx, shutDown := context.WithCancel(t.Context())
		returned := make(chan struct{})
		go func() {
			defer close(returned)
			assert.NoError(t, runWhileLeading(ctx, leaseOf(cluster, "me"), func(context.Context) { assert.Fail(t, "led without the Lease") }))
		}()
		synctest.Wait()
		shutDown()
		within(t, returned, "returns")
		assert.Equal(t, "other", holder(t, cluster))
	})
}

func within(t *testing.T, event <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(30 * time.Second):
		require.Fail(t, "waiting until the replica "+what)
	}
}
