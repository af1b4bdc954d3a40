// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// controllersShare is how many requests of the controllers are on their way at once to each
// API while claims are in flight: enough to refill, and too few for claims to queue behind
// them, here and in kube-apiserver.
const controllersShare = 3

// share bounds the requests of the controllers to one API while there are claims. Its zero
// value is ready. Requests are admitted in the order in which they come.
type share struct {
	mu     sync.Mutex
	claims bool
	// running have been admitted, whether there were claims then or not.
	running int
	waiting []chan struct{}
}

// bound says whether there are claims.
func (s *share) bound(claims bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims = claims
	s.admit()
}

// enter returns when the request may go, or when ctx ends.
func (s *share) enter(ctx context.Context) error {
	turn := make(chan struct{})
	s.mu.Lock()
	s.waiting = append(s.waiting, turn)
	s.admit()
	s.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, turn); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		return ctx.Err()
	}
	return nil // it was its turn at the same moment
}

func (s *share) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.admit()
}

// admit needs the lock.
func (s *share) admit() {
	for len(s.waiting) > 0 && (!s.claims || s.running < controllersShare) {
		close(s.waiting[0])
		s.waiting = s.waiting[1:]
		s.running++
	}
}

// transport lets the requests of a client share. Watches do not count, for they last; nor
// do claims, for they are what goes first.
func (s *share) transport(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("watch") != "" || strings.HasSuffix(r.URL.Path, "/claim") {
			return next.RoundTrip(r)
		}
		if err := s.enter(r.Context()); err != nil {
			return nil, err
		}
		defer s.leave()
		return next.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
