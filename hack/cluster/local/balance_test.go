// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	var asleep atomic.Value
	asleep.Store("")
	ready := func(_ context.Context, address string) bool { return address != asleep.Load() }
	go func() { ended <- Balance(ctx, front, []string{first.Addr().String(), second.Addr().String()}, ready) }()

	assert.Equal(t, "1", greeting(dial(t, front.Addr())))
	open := dial(t, front.Addr())
	assert.Equal(t, "2", greeting(open), "each in turn")
	asleep.Store(second.Addr().String())
	for range 3 {
		assert.Equal(t, "1", greeting(dial(t, front.Addr())), "past those that are not ready")
	}
	asleep.Store("")
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

func TestReadiness(t *testing.T) {
	var code atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/readyz", r.URL.Path)
		w.WriteHeader(int(code.Load()))
	}))
	address := strings.TrimPrefix(server.URL, "https://")
	ready := NewReadiness()
	code.Store(http.StatusInternalServerError)
	assert.False(t, ready(t.Context(), address))
	code.Store(http.StatusOK)
	assert.True(t, ready(t.Context(), address))
	server.Close()
	assert.False(t, ready(t.Context(), address), "it is dead")
}
