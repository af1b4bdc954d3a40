// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// holder is who has the Lease; empty once it has been given back.
func holder(t *testing.T, cluster *fake.Clientset) string {
	t.Helper()
	lease, err := cluster.CoordinationV1().Leases("system").Get(t.Context(), "sandbox-apiserver", metav1.GetOptions{})
	require.NoError(t, err)
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

func TestLeaseIsReleasedAfterTheWork(t *testing.T) {
	cluster := fake.NewClientset()
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: "system", Name: "sandbox-apiserver"},
		Client:     cluster.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: "me"},
	}
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

func TestACampaignEndsWithTheServer(t *testing.T) {
	cluster := fake.NewClientset()
	lock := func(identity string) *resourcelock.LeaseLock {
		return &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: "system", Name: "sandbox-apiserver"},
			Client:     cluster.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		}
	}
	now := metav1.Now()
	require.NoError(t, lock("other").Create(t.Context(), resourcelock.LeaderElectionRecord{
		HolderIdentity: "other", LeaseDurationSeconds: 3600, AcquireTime: now, RenewTime: now,
	}))
	ctx, shutDown := context.WithCancel(t.Context())
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		assert.NoError(t, runWhileLeading(ctx, lock("me"), func(context.Context) { assert.Fail(t, "led without the Lease") }))
	}()
	shutDown()
	within(t, returned, "returns")
	assert.Equal(t, "other", holder(t, cluster))
}

func within(t *testing.T, event <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(30 * time.Second):
		require.Fail(t, "waiting until the replica "+what)
	}
}
