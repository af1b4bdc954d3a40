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
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
)

func TestPlacement(t *testing.T) {
	const never = 1000 * time.Second
	for name, test := range map[string]struct {
		// readyFrom and readyUntil say when the replica is ready.
		readyFrom, readyUntil time.Duration
		// requestsUntil is when the last request arrives.
		requestsUntil time.Duration
		want          []time.Duration
	}{
		"a replica that starts gets its share once": {
			readyFrom: 3 * time.Second, readyUntil: never, requestsUntil: never,
			want: []time.Duration{18 * time.Second},
		},
		"one that starts and is never ready moves nobody": {readyFrom: never, want: nil},
		"one that fails sends away who still comes, ever less often": {
			readyFrom: 0, readyUntil: 30 * time.Second, requestsUntil: never,
			want: []time.Duration{15 * time.Second, 35 * time.Second, 45 * time.Second, 65 * time.Second, 105 * time.Second, 165 * time.Second},
		},
		"and leaves the others alone when nobody comes any more": {
			readyFrom: 0, readyUntil: 30 * time.Second, requestsUntil: 36 * time.Second,
			want: []time.Duration{15 * time.Second, 35 * time.Second, 45 * time.Second},
		},
		"a short failure is over before anybody is moved": {
			readyFrom: 10 * time.Second, readyUntil: 12 * time.Second, requestsUntil: 0, want: nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			begin, p := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), placement{}
			var moved []time.Duration
			for at := time.Duration(0); at < 3*time.Minute; at += readyPoll {
				ready := at >= test.readyFrom && at < test.readyUntil
				if p.next(begin.Add(at), ready, begin.Add(min(at, test.requestsUntil))) {
					moved = append(moved, at)
				}
			}
			assert.Equal(t, test.want, moved)
		})
	}
}

func TestPlacementAsksForReadiness(t *testing.T) {
	var code atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/readyz", r.URL.Path)
		w.WriteHeader(int(code.Load()))
	}))
	ask := func() bool { return isReady(t.Context(), server.Client(), server.URL+"/readyz") }
	code.Store(http.StatusInternalServerError)
	assert.False(t, ask())
	code.Store(http.StatusOK)
	assert.True(t, ask())
	server.Close()
	assert.False(t, ask())
}

func TestPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, moved := time.Now(), time.Duration(0)
		ctx, stop := context.WithCancel(t.Context())
		c := &connections{mover: moverFunc(func(context.Context) error {
			moved = time.Since(begin)
			stop()
			return nil
		})}
		c.place(ctx, func() bool { return true })
		assert.Equal(t, readyPoll+spreadDelay, moved)
	})
}

func TestNothingIsPlacedWithoutAMover(t *testing.T) {
	hook := genericapiserver.PostStartHookContext{LoopbackClientConfig: &rest.Config{}, Context: t.Context()}
	assert.NoError(t, (&connections{}).placementHook(hook))
}
