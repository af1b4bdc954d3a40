// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/ports"
)

// backend greets everybody who connects with its name, and echoes what it hears.
func backend(t *testing.T, name string) net.Listener {
	t.Helper()
	listener := listen(t)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				_, _ = io.WriteString(connection, name)
				_, _ = io.Copy(connection, connection)
			}()
		}
	}()
	return listener
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func dial(t *testing.T, address net.Addr) net.Conn {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// greeting is who answers, empty when nobody does.
func greeting(connection net.Conn) string {
	name := make([]byte, 1)
	n, _ := io.ReadFull(connection, name)
	return string(name[:n])
}

func TestBalance(t *testing.T) {
	first, second := backend(t, "1"), backend(t, "2")
	front := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	both := []string{first.Addr().String(), second.Addr().String()}
	var ready atomic.Value
	ready.Store(both)
	go func() { ended <- Balance(ctx, front, func() []string { return ready.Load().([]string) }) }()

	assert.Equal(t, "1", greeting(dial(t, front.Addr())))
	open := dial(t, front.Addr())
	assert.Equal(t, "2", greeting(open), "each in turn")
	ready.Store(both[:1])
	for range 3 {
		assert.Equal(t, "1", greeting(dial(t, front.Addr())), "past those that are not ready")
	}
	ready.Store(both)
	require.NoError(t, first.Close())
	for range 3 {
		assert.Equal(t, "2", greeting(dial(t, front.Addr())), "past those that are dead")
	}
	_, err := io.WriteString(open, "x")
	require.NoError(t, err)
	assert.Equal(t, "x", greeting(open), "a connection stays where it is, and passes both ways")

	require.NoError(t, second.Close())
	assert.Empty(t, greeting(dial(t, front.Addr())), "no backend, no answer")
	stop()
	require.NoError(t, <-ended)
	assert.Empty(t, greeting(open), "the end of the balancer is that of its connections")
}

func TestEndpoints(t *testing.T) {
	var codes [2]atomic.Int64
	var addresses []string
	for i := range codes {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "/readyz", r.URL.Path)
			w.WriteHeader(int(codes[i].Load()))
		}))
		t.Cleanup(server.Close)
		addresses = append(addresses, strings.TrimPrefix(server.URL, "https://"))
		codes[i].Store(http.StatusOK)
	}
	endpoints := NewEndpoints(append(addresses, "127.0.0.1:1"))
	assert.Empty(t, endpoints.Ready())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		endpoints.Run(ctx)
	}()
	become := func(want []string) {
		t.Helper()
		require.Eventually(t, func() bool { return slices.Equal(want, endpoints.Ready()) }, 10*time.Second, 10*time.Millisecond)
	}
	become(addresses)
	codes[0].Store(http.StatusInternalServerError)
	become(addresses[1:])
	codes[0].Store(http.StatusOK)
	become(addresses)
	stop()
	<-ended
}

func TestRelay(t *testing.T) {
	behind := backend(t, "1")
	free, err := ports.Free(t.Context(), 1)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Relay(ctx, [][2]int{{free[0], behind.Addr().(*net.TCPAddr).Port}}) }()
	require.Eventually(t, func() bool {
		connection, err := net.Dial("tcp", loopback(free[0]))
		if err != nil {
			return false
		}
		defer connection.Close()
		return greeting(connection) == "1"
	}, 10*time.Second, 10*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
}
