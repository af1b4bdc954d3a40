// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"time"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
)

// Timings of the placement of connections while the server runs.
const (
	readyPoll    = time.Second
	readyTimeout = 5 * time.Second
	// spreadDelay is how long endpoints take to know a replica that has become ready.
	spreadDelay = 15 * time.Second
	// leaveDelay is how long they take to forget one that is not ready any more. Clients
	// are told to move again after it, then after twice the time, up to leaveDelayMax:
	// nobody is there to move to while no replica is ready.
	leaveDelay    = 5 * time.Second
	leaveDelayMax = time.Minute
)

// placement decides when clients are told to open new connections because this replica
// has become ready, and should get its share, or because it is not ready any more. A
// Service keeps new connections away from it then, but leaves old ones where they are.
type placement struct {
	ready bool
	// due is when they are told next, zero is never.
	due   time.Time
	delay time.Duration
}

// next says whether to move now, given whether the replica is ready and when the last
// request arrived.
func (p *placement) next(now time.Time, ready bool, arrived time.Time) bool {
	if ready != p.ready {
		*p = placement{ready: ready, due: now.Add(leaveDelay), delay: leaveDelay}
		if ready {
			p.due = now.Add(spreadDelay)
		}
	}
	if p.due.IsZero() || now.Before(p.due) {
		return false
	}
	if ready {
		p.due = time.Time{}
		return true
	}
	used := now.Sub(arrived) < p.delay
	p.delay = min(2*p.delay, leaveDelayMax)
	p.due = now.Add(p.delay)
	return used
}

// placementHook is a post-start hook. It asks for readiness as a kubelet does.
func (c *connections) placementHook(hook genericapiserver.PostStartHookContext) error {
	if c.mover == nil {
		return nil
	}
	client, err := rest.HTTPClientFor(hook.LoopbackClientConfig)
	if err != nil {
		return fmt.Errorf("making the client that asks for readiness: %w", err)
	}
	client.Timeout = readyTimeout
	url := hook.LoopbackClientConfig.Host + "/readyz"
	go c.place(hook.Context, func() bool { return isReady(hook.Context, client, url) })
	return nil
}

// place moves connections until ctx ends.
func (c *connections) place(ctx context.Context, ready func() bool) {
	var p placement
	for pause(ctx, readyPoll) {
		if p.next(time.Now(), ready(), time.Unix(0, c.arrived.Load())) {
			c.move(ctx)
		}
	}
}

func isReady(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}
