// SPDX-License-Identifier: Apache-2.0

package local

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
	firstPort = 12000
	lastPort  = 32000
	portTries = 1000
)

// freePorts returns n different ports that nobody listens on now. Chosen at random, so
// that clusters that start at the same moment do not meet.
func freePorts(ctx context.Context, n int) ([]int, error) {
	var ports []int
	var config net.ListenConfig
	for range portTries {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		defer func() { _ = listener.Close() }() // held until all are chosen, which also keeps them different
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d after %d tries", n, firstPort, lastPort, portTries)
}
