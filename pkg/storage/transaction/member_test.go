// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// member is an etcd in this process that can stop at once, as if it were killed.
type member struct {
	*embed.Etcd
	streams *streams
}

// runEtcd starts a member whose address and data outlive a stop.
func runEtcd(t *testing.T, config *embed.Config) *member {
	t.Helper()
	m := &member{streams: newStreams()}
	config.GRPCAdditionalServerOptions = []grpc.ServerOption{grpc.ChainStreamInterceptor(m.streams.intercept)}
	var err error
	m.Etcd, err = embed.StartEtcd(config)
	require.NoError(t, err)
	select {
	case <-m.Server.ReadyNotify():
	case <-time.After(patience):
		require.Fail(t, "etcd is not ready in time")
	}
	return m
}

// kill leaves the sockets open. etcd's own HardStop would leave the watches too, and one that has an
// event to send then reads from a file that is closed, which ends the process of the test.
func (m *member) kill() {
	m.streams.end()
	m.Server.HardStop()
}

// streams are the watches of a member.
type streams struct {
	ctx    context.Context
	cancel context.CancelFunc
	// serving is held for reading by each stream.
	serving sync.RWMutex
}

func newStreams() *streams {
	s := &streams{}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// end returns when no stream is served any more; none is served later.
func (s *streams) end() {
	s.cancel()
	s.serving.Lock()
	defer s.serving.Unlock()
}

func (s *streams) intercept(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	s.serving.RLock()
	defer s.serving.RUnlock()
	if s.ctx.Err() != nil {
		return status.Error(codes.Unavailable, "the member is being killed")
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	return handler(srv, endedStream{stream, ctx})
}

type endedStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s endedStream) Context() context.Context { return s.ctx }
