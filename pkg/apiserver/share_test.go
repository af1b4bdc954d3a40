// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// api answers when it is told to, and counts.
type api struct {
	running atomic.Int32
	answer  chan struct{}
}

// RoundTrip implements http.RoundTripper.
func (a *api) RoundTrip(*http.Request) (*http.Response, error) {
	a.running.Add(1)
	defer a.running.Add(-1)
	<-a.answer
	return httptest.NewRecorder().Result(), nil
}

// send sends a request without waiting for its answer.
func send(ctx context.Context, client http.RoundTripper, method, url string) <-chan error {
	failed := make(chan error, 1)
	request := httptest.NewRequestWithContext(ctx, method, url, nil)
	go func() {
		response, err := client.RoundTrip(request)
		if err == nil {
			err = response.Body.Close()
		}
		failed <- err
	}()
	return failed
}

func TestShare(t *testing.T) {
	const sandboxes = "/apis/sandbox.agents.x-k8s.io/v1beta1/namespaces/a/sandboxes"
	tests := map[string]struct {
		url     string
		claims  bool
		running int32
	}{
		"no claims":                      {sandboxes, false, 10},
		"beside claims":                  {sandboxes, true, controllersShare},
		"one that begins with a list":    {sandboxes + "?resourceVersion=0", true, controllersShare},
		"watches last":                   {sandboxes + "?watch=true", true, 10},
		"waiting claims that are served": {"/apis/sandbox.agents.x-k8s.io/v1beta1/namespaces/a/sandboxwarmpools/b/claim", true, 10},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, p := &api{answer: make(chan struct{})}, &precedence{}
				client := p.cluster.transport(server)
				if test.claims {
					defer p.enter()()
				}
				for range 10 {
					send(t.Context(), client, http.MethodPost, test.url)
				}
				synctest.Wait()
				assert.Equal(t, test.running, server.running.Load())
				for range 10 { // each gets its turn
					server.answer <- struct{}{}
				}
			})
		})
	}
}

func TestTheEndOfClaimsLetsAllGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, p := &api{answer: make(chan struct{})}, &precedence{}
		client := p.own.transport(server)
		leave := p.enter()
		for range 10 {
			send(t.Context(), client, http.MethodPut, "/")
		}
		synctest.Wait()
		require.EqualValues(t, controllersShare, server.running.Load())
		leave()
		synctest.Wait()
		assert.EqualValues(t, 10, server.running.Load())

		defer p.enter()() // what runs already counts
		send(t.Context(), client, http.MethodPut, "/")
		for range 10 - controllersShare {
			server.answer <- struct{}{}
		}
		synctest.Wait()
		assert.EqualValues(t, controllersShare, server.running.Load())
		for range controllersShare {
			server.answer <- struct{}{}
		}
		server.answer <- struct{}{}
	})
}

func TestARequestThatWaitsEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, p := &api{answer: make(chan struct{})}, &precedence{}
		client := p.own.transport(server)
		defer p.enter()()
		for range controllersShare {
			send(t.Context(), client, http.MethodGet, "/")
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		failed := send(ctx, client, http.MethodGet, "/")
		last := send(t.Context(), client, http.MethodGet, "/")
		require.ErrorIs(t, <-failed, context.DeadlineExceeded)
		for range controllersShare + 1 { // it has not taken the place of another
			server.answer <- struct{}{}
		}
		require.NoError(t, <-last)
	})
}
