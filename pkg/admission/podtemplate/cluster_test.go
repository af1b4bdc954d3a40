// SPDX-License-Identifier: Apache-2.0

package podtemplate

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

func TestACancelledRequestDoesNotFailTheOthers(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	h := newHarness(func() error { close(asked); <-release; return nil })

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
	require.NoError(t, firstErr)
	assert.Equal(t, []string{"spec.podTemplate: could not ask the cluster whether this is a valid Pod: context canceled"}, firstWarned.texts)

	close(release)
	secondDone.Wait()
	require.NoError(t, secondErr)
	assert.Empty(t, secondWarned.texts)
	assert.Equal(t, 1, h.asked())
}

func TestASilentClusterIsNotWaitedForLong(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: silent.URL})
	require.NoError(t, err)

	asking := newCluster(clock.RealClock{})
	require.Equal(t, 5*time.Second, asking.timeout)
	asking.client, asking.timeout = client, 10*time.Millisecond
	pod, err := template{}.pod("default")
	require.NoError(t, err)

	verdict := asking.ask(t.Context(), pod)
	assert.Empty(t, verdict.causes)
	assert.Contains(t, verdict.doubt, "could not ask the cluster")
	assert.Contains(t, verdict.doubt, "deadline exceeded")
}
