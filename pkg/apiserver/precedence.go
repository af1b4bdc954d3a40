// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/endpoints/request"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// claimsFirst is for how long claims that come without a pause go before the controllers.
// It covers a burst; a load that lasts shares the processors with what refills its pools,
// and so does whoever sends one claim after the other: time without claims in flight gives
// back as much as it takes, so that controllers have half of the time in any case.
const claimsFirst = 2 * time.Second

// precedence lets claims go before the controllers of the same process: somebody waits
// for a claim's answer, and what a claim sets off (another Sandbox, another Pod, their
// statuses) costs many times as much as the claim.
type precedence struct {
	// own and cluster bound what goes on beside claims, one for each API: while one hangs, the
	// other goes on.
	own, cluster share

	mu sync.Mutex
	// claims are in flight; done is closed when the last of them has ended.
	claims int
	done   chan struct{}
	// left is for how much longer claims could go first at the time counted.
	left    time.Duration
	counted time.Time
}

// enter is called when a claim arrives, leave when it was answered.
func (p *precedence) enter() (leave func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(time.Now())
	if p.claims == 0 {
		p.done = make(chan struct{})
		p.bound(true)
	}
	p.claims++
	return p.leave
}

func (p *precedence) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(time.Now())
	if p.claims--; p.claims == 0 {
		p.bound(false)
		close(p.done)
	}
}

func (p *precedence) bound(claims bool) {
	p.own.bound(claims)
	p.cluster.bound(claims)
}

// count adds the time that has passed.
func (p *precedence) count(now time.Time) {
	passed := now.Sub(p.counted)
	if p.claims > 0 {
		p.left = max(p.left-passed, 0)
	} else {
		p.left = min(p.left+passed, claimsFirst)
	}
	p.counted = now
}

// Yield returns when no claim is in flight, when they have gone first for claimsFirst more
// than they have not, or when ctx ends.
func (p *precedence) Yield(ctx context.Context) {
	done, left := p.busy()
	if left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// busy says how much longer the claims in flight may go first.
func (p *precedence) busy() (done <-chan struct{}, left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(time.Now())
	if p.claims == 0 {
		return nil, 0
	}
	return p.done, p.left
}

// noted counts the claims among the requests, whatever door they come through. It needs
// the RequestInfo.
func (p *precedence) noted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if info, ok := request.RequestInfoFrom(r.Context()); ok && isClaim(info) {
			defer p.enter()()
		}
		next.ServeHTTP(w, r)
	})
}

func isClaim(info *request.RequestInfo) bool {
	return info.APIGroup == sandbox.GroupName && info.Verb == "create" &&
		(info.Resource == "sandboxclaims" && info.Subresource == "" || info.Subresource == "claim")
}
