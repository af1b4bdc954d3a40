// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// dialTimeout is for a backend on this machine: one that is dead refuses at once.
const dialTimeout = time.Second

// Balance accepts connections until ctx ends, and passes each on to one of the backends:
// to each in turn, and past those that do not listen. It knows nothing of what is said on
// a connection, which ends when either side ends it. It owns the listener, and is what
// `cluster balance` runs.
func Balance(ctx context.Context, listener net.Listener, backends []string) error {
	defer func() { _ = listener.Close() }()
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	for first := 0; ; first++ {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting connections for %v: %w", backends, err)
		}
		go func() {
			defer func() { _ = client.Close() }()
			if backend, err := dialAny(ctx, backends, first); err == nil {
				pass(ctx, client, backend)
			}
		}()
	}
}

// dialAny returns a connection to the first backend that takes one.
func dialAny(ctx context.Context, backends []string, first int) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	var errs []error
	for i := range backends {
		connection, err := dialer.DialContext(ctx, "tcp", backends[(first+i)%len(backends)])
		if err == nil {
			return connection, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
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
