// SPDX-License-Identifier: Apache-2.0

package podtemplate

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

func TestAThousandEqualCreatesAskOnce(t *testing.T) {
	release := make(chan struct{})
	h := newHarness(func() error { <-release; return nil })

	var started, done sync.WaitGroup
	errs := make([]error, 1000)
	for i := range errs {
		started.Add(1)
		done.Go(func() {
			started.Done()
			errs[i] = h.validate(t.Context(), request{obj: newSandbox("dev", "busybox")})
		})
	}
	started.Wait()
	close(release)
	done.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	assert.Equal(t, 1, h.asked())
}

// newSlowCluster is a client of a server that says when it is asked and answers
// when released. Unlike the fake client it heeds contexts.
func newSlowCluster(t *testing.T) (client kubernetes.Interface, asked <-chan struct{}, release func()) {
	t.Helper()
	requests, released := make(chan struct{}, 10), make(chan struct{})
	release = sync.OnceFunc(func() { close(released) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests <- struct{}{}
		<-released
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"apiVersion":"v1","kind":"Pod"}`))
	}))
	t.Cleanup(func() {
		release()
		server.Close()
	})
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	return client, requests, release
}

func TestACancelledRequestDoesNotFailTheOthers(t *testing.T) {
	client, asked, release := newSlowCluster(t)
	h := newHarness(nil)
	h.plugin.SetExternalKubeClientSet(client)

	first, cancel := context.WithCancel(t.Context())
	first, firstWarned := withWarnings(first)
	second, secondWarned := withWarnings(t.Context())
	var firstErr, secondErr error
	var firstDone, secondDone sync.WaitGroup
	firstDone.Go(func() { firstErr = h.validate(first, request{obj: newSandbox("one", "busybox")}) })
	<-asked
	secondDone.Go(func() { secondErr = h.validate(second, request{obj: newSandbox("two", "busybox")}) })

	cancel()
	firstDone.Wait()
	assert.True(t, apierrors.IsTimeout(firstErr), "%v", firstErr)
	assert.Empty(t, firstWarned.texts, "a warning is a header, and those are being written by now")

	release()
	secondDone.Wait()
	require.NoError(t, secondErr)
	assert.Empty(t, secondWarned.texts)
	assert.Empty(t, asked, "the second request asked as well")
}

func TestASilentClusterIsNotWaitedForLong(t *testing.T) {
	client, _, _ := newSlowCluster(t)
	asking := newCluster(clock.RealClock{})
	require.Equal(t, 5*time.Second, asking.timeout)
	asking.client, asking.timeout = client, 10*time.Millisecond
	pod, err := template{}.pod("default")
	require.NoError(t, err)

	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errors.New("the caller gave up first"))
	defer cancel()
	verdict := asking.ask(ctx, pod)
	assert.Empty(t, verdict.causes)
	assert.Contains(t, verdict.doubt, "could not ask the cluster")
	assert.NotContains(t, verdict.doubt, "the caller gave up first")
}
