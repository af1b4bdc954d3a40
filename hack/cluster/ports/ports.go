// SPDX-License-Identifier: Apache-2.0

// Package ports finds ports of this machine that are free, for processes that listen again
// on the same port after a restart. It holds none: between the choice and its use anybody
// may take one.
package ports

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range that the kernel gives to outgoing connections:
// one of those could take a port while the process that owns it restarts.
const (
	first = 12000
	last  = 32000
	tries = 1000
)

// Free returns n different ports that nobody listens on now. Chosen at random, so
// that clusters that start at the same moment do not meet.
func Free(ctx context.Context, n int) ([]int, error) {
	var free []int
	var config net.ListenConfig
	for range tries {
		if len(free) == n {
			return free, nil
		}
		port := first + rand.IntN(last-first)
		listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		defer func() { _ = listener.Close() }() // held until all are chosen, which also keeps them different
		free = append(free, port)
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d after %d tries", n, first, last, tries)
}
