// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// redPause is short, since caches wait for it when the process ends.
const redPause = 5 * time.Second

// Guard stands between etcd and everybody in this process who asks it, and lets no
// answer of a wrong etcd through. It compares each answer with what was seen before, and
// has the fence look before anything from a new connection is believed: an etcd that was
// exchanged has ended in between. All connections must be to one etcd. The first answer
// that is wrong closes the gate, and nothing is asked or answered from then on. Safe for
// concurrent use; what is asked waits for nobody but for a look.
type Guard struct {
	gate *Gate
	// look asks whether etcd is the one that it was; set before the first look.
	look    func(context.Context) error
	looking singleflight.Group
	// begun counts connections, known those that had begun before the last look that
	// was green; 0 before there was one.
	begun, known atomic.Int64
	// cluster is that of all answers, revision the highest that was believed.
	cluster  atomic.Uint64
	revision atomic.Int64

	tripped atomic.Pointer[trip]
	trips   chan struct{}
}

// trip is why a guard lets nothing through.
type trip struct {
	*Refusal
	// lost is a revision that etcd had reached and does not know any more, or 0.
	lost int64
	// contradicts says that a copy is behind which was said to have lost nothing.
	contradicts bool
}

// NewGuard returns a guard that closes gate.
func NewGuard(gate *Gate) *Guard {
	return &Guard{gate: gate, trips: make(chan struct{})}
}

// DialOptions put a client of etcd under guard.
func (g *Guard) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(g.unary()),
		grpc.WithChainStreamInterceptor(g.stream()),
		grpc.WithStatsHandler(connections{begun: &g.begun}),
	}
}

type unguardedKey struct{}

// unguarded is for the fence's own requests: they are answered after a trip as well, and
// do not wait for a look, since they are it.
func unguarded(ctx context.Context) context.Context {
	return context.WithValue(ctx, unguardedKey{}, true)
}

func isUnguarded(ctx context.Context) bool { return ctx.Value(unguardedKey{}) != nil }

func (g *Guard) unary() grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, request, answer any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if err := g.mayAsk(ctx); err != nil {
			return err
		}
		var floor int64
		if isLatest(request) {
			floor = g.revision.Load()
		}
		if err := invoke(ctx, method, request, answer, cc, options...); err != nil {
			return err
		}
		return g.believe(ctx, headerOf(answer), floor)
	}
}

func (g *Guard) stream() grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
		if err := g.mayAsk(ctx); err != nil {
			return nil, err
		}
		ctx, end := context.WithCancel(ctx)
		s, err := open(ctx, desc, cc, method, options...)
		if err != nil {
			end()
			return nil, err
		}
		return &guardedStream{ClientStream: s, guard: g, end: end}, nil
	}
}

// guardedStream is a stream of answers, each of which is believed or ends it.
type guardedStream struct {
	grpc.ClientStream
	guard *Guard
	// end gives the stream up, also on the side of etcd, which else keeps its watchers.
	end   context.CancelFunc
	floor int64
}

func (s *guardedStream) SendMsg(request any) error {
	// The header of a range at a given revision may have that one.
	if r, ok := request.(*pb.RangeRequest); ok && isLatest(r) && r.GetRevision() == 0 {
		s.floor = s.guard.revision.Load()
	}
	return s.ClientStream.SendMsg(request)
}

func (s *guardedStream) RecvMsg(answer any) error {
	err := s.ClientStream.RecvMsg(answer)
	if err == nil {
		err = s.guard.believe(s.Context(), headerOf(answer), s.floor)
	}
	if err != nil {
		s.end()
	}
	return err
}

func (g *Guard) mayAsk(ctx context.Context) error {
	t := g.tripped.Load()
	if t == nil || isUnguarded(ctx) {
		return nil
	}
	// Requests of users have a deadline. What has none are loops, of caches and of the
	// compactor, which come again at once and would fill the log for as long as it is red.
	if _, hurries := ctx.Deadline(); !hurries {
		select {
		case <-ctx.Done():
		case <-time.After(redPause):
		}
	}
	return &doubt{Refusal: t.Refusal}
}

// believe returns when an answer may be used. Its revision counts as seen only after the
// look: that of a wrong etcd would make the right one look rewound.
func (g *Guard) believe(ctx context.Context, header *pb.ResponseHeader, floor int64) error {
	g.compare(header, floor)
	if isUnguarded(ctx) {
		return nil
	}
	if err := g.awaitLook(ctx); err != nil {
		return err
	}
	if t := g.tripped.Load(); t != nil {
		return &doubt{Refusal: t.Refusal, sent: true}
	}
	raise(&g.revision, header.GetRevision())
	return nil
}

func (g *Guard) compare(header *pb.ResponseHeader, floor int64) {
	cluster, revision := header.GetClusterId(), header.GetRevision()
	was := g.cluster.Load()
	if was == 0 {
		g.cluster.CompareAndSwap(0, cluster)
		was = g.cluster.Load()
	}
	if cluster != 0 && cluster != was {
		g.trip(trip{lost: g.revision.Load(), Refusal: &Refusal{Reason: EtcdReplaced, Message: fmt.Sprintf(
			"an answer came from the etcd cluster %x, and those before from %x: another etcd is in its place", cluster, was)}})
	}
	if revision != 0 && revision < floor {
		g.trip(trip{lost: floor, Refusal: &Refusal{Reason: Rewound, Message: fmt.Sprintf(
			"etcd answered at revision %d, and had reached %d before it was asked: it was restored from a backup", revision, floor)}})
	}
}

// trip closes the guard and the gate. The first reason stays.
func (g *Guard) trip(t trip) {
	if g.tripped.CompareAndSwap(nil, &t) {
		g.gate.set(t.Refusal)
		close(g.trips)
	}
}

// awaitLook returns once the fence has looked after every connection of now had begun.
// Before its first verdict nothing is served, so that there is nothing to wait for.
func (g *Guard) awaitLook(ctx context.Context) error {
	for {
		known := g.known.Load()
		if known == 0 || known == g.begun.Load() {
			return nil
		}
		look := g.looking.DoChan("", func() (any, error) {
			begun := g.begun.Load()
			err := g.look(context.WithoutCancel(ctx))
			if err == nil {
				raise(&g.known, begun)
			}
			return nil, err
		})
		select {
		case done := <-look:
			if done.Err != nil {
				return &doubt{sent: true, Refusal: &Refusal{Reason: NotVerified, Message: "there is a new connection to etcd, and " + done.Err.Error()}}
			}
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// raise sets a number that never falls.
func raise(n *atomic.Int64, to int64) {
	for was := n.Load(); was < to && !n.CompareAndSwap(was, to); was = n.Load() {
	}
}

// connections counts them before the first answer of each.
type connections struct {
	begun *atomic.Int64
}

func (c connections) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnBegin); ok {
		c.begun.Add(1)
	}
}

func (connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (connections) HandleRPC(context.Context, stats.RPCStats)                         {}
