// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"
)

// Mover makes kube-apiservers open new connections to the Service. It returns when they
// have been told: what is in flight ends on the old connections.
type Mover interface {
	Reconnect(ctx context.Context) error
}

// Timings of a drain.
const (
	// quietFor is for how long no request may have come from a kube-apiserver before its
	// connection counts as left. It covers the time until all of them have been told.
	quietFor = 2 * time.Second
	// askAgain is how long requests may go on before the move is asked for again: it came
	// before endpoints had forgotten this replica.
	askAgain = 4 * time.Second
	// tryAgain is how long after a failure the move is asked for again.
	tryAgain = time.Second
	// drainWithin bounds the whole.
	drainWithin = 15 * time.Second
	// drainPoll is how often the clock is looked at.
	drainPoll = 100 * time.Millisecond
	// moveTimeout bounds one request to move.
	moveTimeout = 10 * time.Second
)

// connections are those that kube-apiservers hold to this replica. They are HTTP/2, one
// for each kube-apiserver as a rule, and stay where they are for as long as both ends
// live. When Go's server closes one, requests that are on their way at that moment are
// lost, and kube-apiserver cannot send their bodies again: so the connection must be idle
// by then.
type connections struct {
	// mover is nil where nobody can move connections; they are only watched then.
	mover Mover
	// arrived is when the last request came, in nanoseconds since the epoch.
	arrived atomic.Int64
}

// watched notes the requests of kube-apiservers, which show a certificate of theirs. Probes
// and our own loopback do not.
func (c *connections) watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if showsCertificate(r) {
			c.arrived.Store(time.Now().UnixNano())
		}
		next.ServeHTTP(w, r)
	})
}

func showsCertificate(r *http.Request) bool { return r.TLS != nil && len(r.TLS.PeerCertificates) > 0 }

// drain returns when kube-apiservers send their requests elsewhere, or when it has taken
// too long. It begins when endpoints have had the time to forget this replica.
func (c *connections) drain(ctx context.Context, delay time.Duration) {
	if c.mover == nil || !pause(ctx, delay) {
		return
	}
	log := klog.FromContext(ctx)
	d := draining{began: time.Now()}
	bounded, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	for {
		switch d.next(time.Now(), time.Unix(0, c.arrived.Load())) {
		case drainDone:
			log.Info("Requests go to other replicas", "after", time.Since(d.began), "moves", d.moves)
			return
		case drainOver:
			log.Info("Requests still come, and some may be lost", "after", time.Since(d.began), "moves", d.moves)
			return
		case drainMove:
			if c.move(bounded) {
				d.moved = time.Now()
				d.moves++
			}
			d.tried = time.Now()
		case drainWait:
			if !pause(ctx, drainPoll) {
				return
			}
		}
	}
}

// move says whether clients have been told.
func (c *connections) move(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	if err := c.mover.Reconnect(ctx); err != nil {
		klog.FromContext(ctx).Error(err, "Asking kube-apiserver for new connections")
		return false
	}
	return true
}

// draining is what decides how a drain goes on.
type draining struct {
	began time.Time
	// tried is when clients were told last, whether they have heard or not; moved is when
	// they heard last, and moves how often.
	tried, moved time.Time
	moves        int
}

type drainStep int

const (
	drainWait drainStep = iota
	drainMove
	drainDone
	drainOver
)

// next decides from the time at which the last request arrived.
func (d draining) next(now, arrived time.Time) drainStep {
	quietSince := d.moved
	if arrived.After(quietSince) {
		quietSince = arrived
	}
	switch {
	case d.moves > 0 && now.Sub(quietSince) >= quietFor:
		return drainDone
	case now.Sub(d.began) >= drainWithin:
		return drainOver
	case d.moves == 0 && now.Sub(d.tried) >= tryAgain, d.moves > 0 && now.Sub(d.tried) >= askAgain:
		return drainMove
	default:
		return drainWait
	}
}

// pause returns false when ctx ends before the time is over.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
