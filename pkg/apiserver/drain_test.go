// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDrainingDecides(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return began.Add(time.Duration(seconds * float64(time.Second))) }
	for name, test := range map[string]struct {
		tried, moved float64
		moves        int
		now, arrived float64
		want         drainStep
	}{
		"first of all the move":                 {tried: -60, now: 0, arrived: -60, want: drainMove},
		"also when nothing comes":               {tried: -60, now: 0, arrived: -3600, want: drainMove},
		"the move takes time to be known":       {moves: 1, now: 1.9, arrived: -60, want: drainWait},
		"nothing came since":                    {moves: 1, now: 2, arrived: -60, want: drainDone},
		"the last came after the move":          {moves: 1, now: 2.5, arrived: 1, want: drainWait},
		"and then no more":                      {moves: 1, now: 3, arrived: 1, want: drainDone},
		"they go on: endpoints were slow":       {moves: 1, now: 4, arrived: 3.9, want: drainMove},
		"nobody has heard: not too soon again":  {tried: 2, now: 2.9, arrived: -60, want: drainWait},
		"but quiet is not enough then":          {tried: 2, now: 10, arrived: -60, want: drainMove},
		"nobody ever hears":                     {tried: 14, now: 15, arrived: -60, want: drainOver},
		"the second move counts from its time":  {moves: 2, tried: 4, moved: 4, now: 7.9, arrived: 7.8, want: drainWait},
		"they never end":                        {moves: 4, tried: 14, moved: 14, now: 15, arrived: 14.9, want: drainOver},
		"quiet at the very end is quiet enough": {moves: 4, tried: 12, moved: 12, now: 15, arrived: 13, want: drainDone},
	} {
		t.Run(name, func(t *testing.T) {
			d := draining{began: began, tried: at(test.tried), moved: at(test.moved), moves: test.moves}
			assert.Equal(t, test.want, d.next(at(test.now), at(test.arrived)))
		})
	}
}

type moverFunc func(context.Context) error

func (f moverFunc) Reconnect(ctx context.Context) error { return f(ctx) }

// arrive passes one through the watch of connections.
func arrive(c *connections, state *tls.ConnectionState) {
	r := httptest.NewRequest(http.MethodPost, "https://server/apis", nil)
	r.TLS = state
	c.watched(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
}

func fromKubeAPIServer() *tls.ConnectionState {
	return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
}

func TestDrain(t *testing.T) {
	for name, test := range map[string]struct {
		// movesNeeded is how many times clients must be told before they go; 0 is never.
		movesNeeded int
		want        time.Duration
		wantMoves   int
	}{
		"they go at once":        {movesNeeded: 1, want: 5*time.Second + quietFor, wantMoves: 1},
		"endpoints are late":     {movesNeeded: 2, want: 5*time.Second + askAgain + quietFor, wantMoves: 2},
		"they never go":          {movesNeeded: 0, want: 5*time.Second + drainWithin, wantMoves: 4},
		"the move always fails":  {movesNeeded: -1, want: 5*time.Second + drainWithin, wantMoves: 15},
		"probes are no requests": {movesNeeded: -2, want: 5*time.Second + quietFor, wantMoves: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var moves atomic.Int64
				c := &connections{mover: moverFunc(func(context.Context) error {
					moves.Add(1)
					if test.movesNeeded == -1 {
						return errors.New("no")
					}
					return nil
				})}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go func() {
					for pause(ctx, 10*time.Millisecond) {
						if test.movesNeeded == -2 {
							arrive(c, &tls.ConnectionState{})
						} else if test.movesNeeded <= 0 || int(moves.Load()) < test.movesNeeded {
							arrive(c, fromKubeAPIServer())
						}
					}
				}()
				begin := time.Now()
				c.drain(ctx, ShutdownDelay)
				assert.InDelta(t, test.want, time.Since(begin), float64(2*drainPoll))
				assert.EqualValues(t, test.wantMoves, moves.Load())
			})
		})
	}
}

func TestDrainWithoutAMover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		(&connections{}).drain(t.Context(), ShutdownDelay)
		assert.Zero(t, time.Since(begin))
	})
}
