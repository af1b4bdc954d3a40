// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
)

// guarded is a guard whose etcd answers what a test says.
type guarded struct {
	*Guard
	gate  *Gate
	looks atomic.Int32
	// seen is what the next looks do.
	seen atomic.Pointer[func() error]
}

// newGuarded has had one look, over one connection.
func newGuarded() *guarded {
	gate := NewGate()
	gate.open(time.Time{})
	g := &guarded{Guard: NewGuard(gate), gate: gate}
	g.look = func(context.Context) error {
		defer g.looks.Add(1)
		return (*g.seen.Load())()
	}
	g.sees(func() error { return nil })
	g.connect()
	g.known.Store(1)
	return g
}

func (g *guarded) sees(f func() error) { g.seen.Store(&f) }

func (g *guarded) connect() {
	connections{begun: &g.begun}.HandleConn(context.Background(), &stats.ConnBegin{})
}

func header(cluster uint64, revision int64) *pb.ResponseHeader {
	return &pb.ResponseHeader{ClusterId: cluster, Revision: revision}
}

// ask has etcd answer a request with a header, after what happens meanwhile.
func (g *guarded) ask(ctx context.Context, request any, header *pb.ResponseHeader, meanwhile ...func()) error {
	invoke := func(_ context.Context, _ string, _, answer any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		for _, f := range meanwhile {
			f()
		}
		answer.(*pb.RangeResponse).Header = header
		return nil
	}
	return g.unary()(ctx, "/etcdserverpb.KV/Range", request, &pb.RangeResponse{}, nil, invoke)
}

var (
	get       = &pb.RangeRequest{}
	getOfAny  = &pb.RangeRequest{Serializable: true}
	firstSeen = header(oldCluster, 90)
)

func TestGuardComparesAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		request any
		answer  *pb.ResponseHeader
		reason  Reason
	}{
		"the same":                    {get, header(oldCluster, 90), ""},
		"further":                     {get, header(oldCluster, 91), ""},
		"rewound":                     {get, header(oldCluster, 89), Rewound},
		"a member that lags":          {getOfAny, header(oldCluster, 89), ""},
		"another etcd":                {get, header(newCluster, 900), EtcdReplaced},
		"a member of another etcd":    {getOfAny, header(newCluster, 900), EtcdReplaced},
		"another etcd, and rewound":   {get, header(newCluster, 3), EtcdReplaced},
		"no revision, as of members":  {get, header(oldCluster, 0), ""},
		"no cluster":                  {get, header(0, 90), ""},
		"no header":                   {get, nil, ""},
		"a status, which may lag":     {&pb.StatusRequest{}, header(oldCluster, 1), ""},
		"a lease of another etcd":     {&pb.LeaseGrantRequest{}, header(newCluster, 91), EtcdReplaced},
		"a transaction that is stale": {&pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: get}}}}, header(oldCluster, 1), Rewound},
		"a transaction of nothing":    {&pb.TxnRequest{}, header(oldCluster, 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuarded()
			require.NoError(t, g.ask(t.Context(), get, firstSeen))
			err := g.ask(t.Context(), c.request, c.answer)
			if c.reason == "" {
				require.NoError(t, err)
				require.NoError(t, g.gate.Err())
				assert.Equal(t, max(firstSeen.Revision, c.answer.GetRevision()), g.revision.Load())
				return
			}
			var refusal *Refusal
			require.ErrorAs(t, g.gate.Err(), &refusal)
			assert.Equal(t, c.reason, refusal.Reason)
			assert.Equal(t, codes.DataLoss, status.Code(err))
			user, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			err = g.ask(user, get, firstSeen, func() { t.Error("etcd was asked") })
			assert.Equal(t, codes.FailedPrecondition, status.Code(err), "the first wrong answer is the last")
			_, err = g.stream()(user, nil, nil, "", nil)
			assert.Equal(t, codes.FailedPrecondition, status.Code(err))
			require.NoError(t, g.ask(unguarded(t.Context()), get, header(newCluster, 1)), "the fence goes on looking")
			assert.Equal(t, refusal, g.tripped.Load().Refusal, "the first reason stays")
		})
	}
}

// TestGuardAllowsWhatOvertakes: only what was seen before a request was sent is a floor.
func TestGuardAllowsWhatOvertakes(t *testing.T) {
	g := newGuarded()
	require.NoError(t, g.ask(t.Context(), get, firstSeen))
	require.NoError(t, g.ask(t.Context(), get, firstSeen, func() {
		require.NoError(t, g.ask(t.Context(), get, header(oldCluster, 95)))
	}))
	require.Error(t, g.ask(t.Context(), get, firstSeen))
	assert.EqualValues(t, 95, g.tripped.Load().lost)
}

func TestGuardThatHasSeenNothing(t *testing.T) {
	gate := NewGate()
	g := &guarded{Guard: NewGuard(gate), gate: gate}
	g.connect()
	require.NoError(t, g.ask(t.Context(), get, header(oldCluster, 1)), "before the first look there is nothing to wait for")
	require.NoError(t, g.ask(t.Context(), get, header(oldCluster, 2)))
	require.Error(t, g.ask(t.Context(), get, header(oldCluster, 1)))
}

func TestNewConnectionIsLookedAt(t *testing.T) {
	g := newGuarded()
	require.NoError(t, g.ask(t.Context(), get, firstSeen))
	require.Zero(t, g.looks.Load())
	var asking sync.WaitGroup
	looking, finish := make(chan struct{}), make(chan struct{})
	g.sees(func() error {
		close(looking)
		<-finish
		return nil
	})
	g.connect()
	for range 50 {
		asking.Go(func() { assert.NoError(t, g.ask(t.Context(), get, header(oldCluster, 1000))) })
	}
	<-looking
	assert.EqualValues(t, 90, g.revision.Load(), "nothing is believed before the look")
	close(finish)
	asking.Wait()
	assert.EqualValues(t, 1, g.looks.Load(), "one look is for all who wait")
	assert.EqualValues(t, 1000, g.revision.Load())
	require.NoError(t, g.ask(t.Context(), get, header(oldCluster, 1000)))
	assert.EqualValues(t, 1, g.looks.Load())
}

// TestConnectionDuringALook: a look vouches for no connection that began after it.
func TestConnectionDuringALook(t *testing.T) {
	g := newGuarded()
	g.sees(func() error {
		if g.looks.Load() == 0 {
			g.connect()
		}
		return nil
	})
	g.connect()
	require.NoError(t, g.ask(t.Context(), get, firstSeen))
	assert.EqualValues(t, 2, g.looks.Load())
}

func TestLookThatFails(t *testing.T) {
	g := newGuarded()
	require.NoError(t, g.ask(t.Context(), get, firstSeen))
	g.sees(func() error { return errors.New("etcd is silent") })
	g.connect()
	err := g.ask(t.Context(), get, header(oldCluster, 1000))
	assert.Equal(t, codes.Unavailable, status.Code(err), "no verdict is none")
	require.ErrorContains(t, err, "etcd is silent")
	require.NoError(t, g.gate.Err())
	assert.EqualValues(t, 90, g.revision.Load())

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	finish := make(chan struct{})
	g.sees(func() error {
		<-finish
		return nil
	})
	assert.Equal(t, codes.Canceled, status.Code(g.ask(gone, get, firstSeen)))
	close(finish)
	require.NoError(t, g.ask(t.Context(), get, header(oldCluster, 91)))
}

func TestLookThatIsRed(t *testing.T) {
	g := newGuarded()
	g.sees(func() error {
		g.trip(trip{Refusal: &Refusal{Reason: Rewound, Message: "by beat"}})
		return nil
	})
	g.connect()
	err := g.ask(t.Context(), get, header(oldCluster, 1_000_000_090))
	assert.Equal(t, codes.DataLoss, status.Code(err))
	require.EqualError(t, g.gate.Err(), "Rewound: by beat")
}

// TestLoopsAreSlowedDown: what has no deadline comes again at once.
func TestLoopsAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded()
		g.trip(trip{Refusal: &Refusal{Reason: Rewound, Message: "x"}})
		begun := time.Now()
		require.Error(t, g.ask(t.Context(), get, firstSeen))
		assert.Equal(t, redPause, time.Since(begun))

		ending, end := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, end)
		begun = time.Now()
		require.Error(t, g.ask(ending, get, firstSeen))
		assert.Equal(t, time.Second, time.Since(begun), "unless it ends")
	})
}

// messages is a stream that etcd sends.
type messages struct {
	grpc.ClientStream
	ctx  context.Context
	sent []*pb.ResponseHeader
}

func (m *messages) Context() context.Context { return m.ctx }
func (m *messages) SendMsg(any) error        { return nil }

func (m *messages) RecvMsg(answer any) error {
	if len(m.sent) == 0 {
		return io.EOF
	}
	answer.(*pb.RangeResponse).Header = m.sent[0]
	m.sent = m.sent[1:]
	return nil
}

func TestGuardOfStreams(t *testing.T) {
	for name, c := range map[string]struct {
		request any
		sent    []*pb.ResponseHeader
		ends    codes.Code
	}{
		"watch of a member that lags": {&pb.WatchRequest{}, []*pb.ResponseHeader{header(oldCluster, 80), header(oldCluster, 95)}, codes.OK},
		"watch of another etcd":       {&pb.WatchRequest{}, []*pb.ResponseHeader{header(oldCluster, 95), header(newCluster, 95)}, codes.DataLoss},
		"list":                        {get, []*pb.ResponseHeader{nil, nil, header(oldCluster, 90)}, codes.OK},
		"list of the past":            {&pb.RangeRequest{Revision: 80}, []*pb.ResponseHeader{header(oldCluster, 80)}, codes.OK},
		"list that is rewound":        {get, []*pb.ResponseHeader{nil, header(oldCluster, 89)}, codes.DataLoss},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuarded()
			require.NoError(t, g.ask(t.Context(), get, firstSeen))
			var under context.Context
			s, err := g.stream()(t.Context(), nil, nil, "", func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
				under = ctx //nolint:fatcontext // to look at it
				return &messages{ctx: ctx, sent: c.sent}, nil
			})
			require.NoError(t, err)
			require.NoError(t, s.SendMsg(c.request))
			for err == nil {
				require.NoError(t, under.Err())
				err = s.RecvMsg(&pb.RangeResponse{})
			}
			require.Error(t, under.Err(), "etcd lets go of its watchers")
			if c.ends == codes.OK {
				require.ErrorIs(t, err, io.EOF)
				return
			}
			assert.Equal(t, c.ends, status.Code(err))
			require.Error(t, g.gate.Err())
		})
	}
}

// hangingOnce is an etcd whose first member to be asked does not answer.
type hangingOnce struct {
	clientv3.KV
	asked atomic.Int32
}

type hangingTxn struct {
	clientv3.Txn
	done <-chan struct{}
}

func (h *hangingOnce) Txn(ctx context.Context) clientv3.Txn {
	if h.asked.Add(1) > 1 {
		return h.KV.Txn(ctx)
	}
	return hangingTxn{h.KV.Txn(ctx), ctx.Done()}
}

func (h hangingTxn) If(...clientv3.Cmp) clientv3.Txn  { return h }
func (h hangingTxn) Then(...clientv3.Op) clientv3.Txn { return h }
func (h hangingTxn) Else(...clientv3.Op) clientv3.Txn { return h }
func (h hangingTxn) Commit() (*clientv3.TxnResponse, error) {
	<-h.done
	return nil, context.DeadlineExceeded
}

func TestLookOutlivesAMemberThatHangs(t *testing.T) {
	f := newFixture(t)
	etcd := &hangingOnce{KV: f.client.KV}
	fence := f.fence("")
	fence.etcd.kv = etcd
	require.NoError(t, fence.recognise(t.Context()))
	assert.EqualValues(t, 2, etcd.asked.Load())
}

func TestErrorsOfEtcdPass(t *testing.T) {
	g, broken := newGuarded(), status.Error(codes.OutOfRange, "compacted")
	err := g.unary()(t.Context(), "", get, &pb.RangeResponse{}, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return broken })
	require.Equal(t, broken, err)
	_, err = g.stream()(t.Context(), nil, nil, "", func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
		return nil, broken
	})
	require.Equal(t, broken, err)
}

// TestDoubtIsUnavailable: whatever the guard says, a client of the API reads 503.
func TestDoubtIsUnavailable(t *testing.T) {
	for name, c := range map[string]struct {
		doubt doubt
		code  codes.Code
		retry int32
	}{
		"not asked":      {doubt{Refusal: &Refusal{Reason: Rewound, Message: "x"}}, codes.FailedPrecondition, retrySeconds},
		"not believed":   {doubt{Refusal: &Refusal{Reason: Rewound, Message: "x"}, sent: true}, codes.DataLoss, 0},
		"not looked yet": {doubt{Refusal: &Refusal{Reason: NotVerified, Message: "x"}, sent: true}, codes.Unavailable, 0},
	} {
		assert.Equal(t, c.code, status.Code(&c.doubt), name)
		s := responsewriters.ErrorToAPIStatus(&c.doubt)
		assert.EqualValues(t, http.StatusServiceUnavailable, s.Code, name)
		assert.Equal(t, c.retry, s.Details.RetryAfterSeconds, name)
		assert.EqualValues(t, c.doubt.Reason, s.Details.Causes[0].Type, name)
	}
}

func BenchmarkGuard(b *testing.B) {
	g, answer := newGuarded(), &pb.RangeResponse{}
	guarded := g.unary()
	invoke := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	answer.Header = firstSeen
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			_ = guarded(b.Context(), "", get, answer, nil, invoke)
		}
	})
}
