// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// dialTimeout is for a backend on this machine: one that is dead refuses at once.
	dialTimeout = time.Second
	// probePeriod is how long a Service may send connections to what is not ready any more.
	probePeriod = 500 * time.Millisecond
)

// Balance accepts connections until ctx ends, and passes each on to one of those that
// are ready at that moment: to each in turn, and past those that do not answer. It knows
// nothing of what is said on a connection, which ends when either side ends it and not
// before, as one through a Service does. It owns the listener.
func Balance(ctx context.Context, listener net.Listener, ready func() []string) error {
	defer func() { _ = listener.Close() }()
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	for turn := 0; ; turn++ {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting connections on %s: %w", listener.Addr(), err)
		}
		go func() {
			defer func() { _ = client.Close() }()
			if backend := dialAny(ctx, ready(), turn); backend != nil {
				pass(ctx, client, backend)
			}
		}()
	}
}

// dialAny returns a connection to the first backend that answers, nil if none does.
func dialAny(ctx context.Context, backends []string, turn int) net.Conn {
	dialer := net.Dialer{Timeout: dialTimeout}
	for i := range backends {
		if connection, err := dialer.DialContext(ctx, "tcp", backends[(turn+i)%len(backends)]); err == nil {
			return connection
		}
	}
	return nil
}

// Endpoints knows which servers on this machine are ready, as the endpoints of a Service do.
type Endpoints struct {
	backends []string
	client   *http.Client

	mu    sync.Mutex
	ready []string
}

// NewEndpoints returns the endpoints at these addresses; none is ready before Run.
func NewEndpoints(backends []string) *Endpoints {
	// The certificate is not looked at: the question is about the process. Each probe is
	// a new connection, as the kubelet's are.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	return &Endpoints{backends: backends, client: &http.Client{Transport: transport, Timeout: dialTimeout}}
}

// Run asks every server for /readyz, again and again until ctx ends.
func (e *Endpoints) Run(ctx context.Context) {
	wait.UntilWithContext(ctx, e.probe, probePeriod)
}

// Ready are the addresses of those that were ready when they were asked last.
func (e *Endpoints) Ready() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ready
}

func (e *Endpoints) probe(ctx context.Context) {
	answers := make([]bool, len(e.backends))
	var probes sync.WaitGroup
	for i, address := range e.backends {
		probes.Go(func() { answers[i] = e.answers(ctx, address) })
	}
	probes.Wait()
	var ready []string
	for i, address := range e.backends {
		if answers[i] {
			ready = append(ready, address)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ready = ready
}

func (e *Endpoints) answers(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := e.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// pass copies both ways until one of them ends, and closes the backend. What was on its
// way the other way is lost, as it is when a server dies.
func pass(ctx context.Context, client, backend net.Conn) {
	defer func() { _ = backend.Close() }()
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{client, backend}, {backend, client}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // however it ended, it is over
			ended <- struct{}{}
		}()
	}
	select {
	case <-ended:
	case <-ctx.Done():
	}
}
