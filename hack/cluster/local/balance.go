// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

// dialTimeout is for a backend on this machine: one that is dead refuses at once.
const dialTimeout = time.Second

// Balance accepts connections until ctx ends, and passes each on to one of the backends:
// to each in turn, and past those that are not ready, as a Service does. It knows nothing
// of what is said on a connection, which ends when either side ends it. It owns the
// listener, and is what `cluster balance` runs.
func Balance(ctx context.Context, listener net.Listener, backends []string, ready func(context.Context, string) bool) error {
	defer func() { _ = listener.Close() }()
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	for turn := 0; ; turn++ {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting connections for %v: %w", backends, err)
		}
		first := turn % len(backends)
		go func() {
			defer func() { _ = client.Close() }()
			if backend := dialAny(ctx, slices.Concat(backends[first:], backends[:first]), ready); backend != nil {
				pass(ctx, client, backend)
			}
		}()
	}
}

// dialAny returns a connection to the first backend that is ready, nil if none is.
func dialAny(ctx context.Context, backends []string, ready func(context.Context, string) bool) net.Conn {
	dialer := net.Dialer{Timeout: dialTimeout}
	for _, backend := range backends {
		if !ready(ctx, backend) {
			continue
		}
		if connection, err := dialer.DialContext(ctx, "tcp", backend); err == nil {
			return connection
		}
	}
	return nil
}

// NewReadiness returns what asks a server on this machine whether it is ready. Its
// certificate is not looked at: the question is about the process.
func NewReadiness() func(ctx context.Context, address string) bool {
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		Timeout:   dialTimeout,
	}
	return func(ctx context.Context, address string) bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/readyz", nil)
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
