// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"errors"
	"sort"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
)

// lossy loses etcd's answer to commits of two keys, once.
type lossy struct {
	clientv3.KV
	answer  error
	deliver bool
	commits int
}

func (l *lossy) Txn(ctx context.Context) clientv3.Txn { return &lossyTxn{Txn: l.KV.Txn(ctx), kv: l} }

type lossyTxn struct {
	clientv3.Txn
	kv *lossy
}

func (x *lossyTxn) If(c ...clientv3.Cmp) clientv3.Txn  { x.Txn = x.Txn.If(c...); return x }
func (x *lossyTxn) Then(o ...clientv3.Op) clientv3.Txn { x.Txn = x.Txn.Then(o...); return x }
func (x *lossyTxn) Else(o ...clientv3.Op) clientv3.Txn { x.Txn = x.Txn.Else(o...); return x }
func (x *lossyTxn) Commit() (*clientv3.TxnResponse, error) {
	x.kv.commits++
	if x.kv.deliver {
		if _, err := x.Txn.Commit(); err != nil {
			return nil, err
		}
	}
	return nil, x.kv.answer
}

func TestLostAnswer(t *testing.T) {
	unavailable := status.Error(codes.Unavailable, "connection closed")
	for name, tc := range map[string]struct {
		answer  error
		deliver bool
		want    Outcome
	}{
		"after the commit":     {answer: unavailable, deliver: true, want: Unknown},
		"before the commit":    {answer: unavailable, want: Unknown},
		"request cut off":      {answer: context.Canceled, deliver: true, want: Unknown},
		"etcd timed out":       {answer: status.Error(codes.DeadlineExceeded, "etcdserver: request timed out"), want: Unknown},
		"etcd refused":         {answer: status.Error(codes.ResourceExhausted, "etcdserver: mvcc: database space exceeded"), want: NotCommitted},
		"not sent":             {answer: status.Error(codes.FailedPrecondition, "Rewound"), want: NotCommitted},
		"not believed":         {answer: status.Error(codes.DataLoss, "Rewound"), deliver: true, want: Unknown},
		"not an error of gRPC": {answer: errors.New("what?"), deliver: true, want: Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t, newEtcd(t), true)
			r.create(r.boxes, named("box"))
			r.create(r.boxes, named("next"))
			kv := &lossy{KV: r.etcd().KV, answer: tc.answer, deliver: tc.deliver}
			r.etcd().KV = kv
			// An inner call that does its best to write twice, and lies about it.
			inner := Inner{RequestInfo: info(boxes), Call: func(ctx context.Context) error {
				_, err := r.update(ctx, "box", bind("claim"))
				require.Error(t, err)
				if tc.want == Unknown {
					_, err = r.update(ctx, "next", bind("claim"))
					require.Error(t, err)
					return nil
				}
				return err
			}}
			outcome, err := Join(serving(t.Context()), inner, func(ctx context.Context) error {
				_, err := r.claims.Create(ctx, named("claim"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
				assert.Error(t, err, "no registry call may take a lost answer for success")
				return err
			})
			r.etcd().KV = kv.KV
			require.Error(t, err)
			assert.Equal(t, tc.want, outcome)
			assert.Equal(t, tc.want == Unknown, apierrors.IsTimeout(err), "%v", err)
			assert.Equal(t, 1, kv.commits)
			assert.Equal(t, tc.deliver, r.get(r.claims, "claim") != nil)
			assert.Equal(t, tc.deliver, r.get(r.boxes, "box").Annotations[boundTo] == "claim")
			assert.Empty(t, r.get(r.boxes, "next").Annotations)
		})
	}
}

func TestCancelledBeforeCommitIsNotUnknown(t *testing.T) {
	r := newReplica(t, newEtcd(t), false)
	r.create(r.boxes, named("box"))
	before := r.revision(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	change := func(ctx context.Context, o, old runtime.Object) (runtime.Object, error) {
		cancel()
		return bind("claim")(ctx, o, old)
	}
	outcome, _, _, err := r.claiming(serving(ctx), named("claim"), "box", change)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, NotCommitted, outcome)
	assert.Equal(t, before, r.revision(t.Context()))
}

// put is a write of size bytes to a key of that name.
func (r *replica) put(key string, size int) write {
	r.Helper()
	connections := r.backend.open()
	require.Len(r, connections, 1)
	return write{place: place{connection: connections[0], prefix: "/" + key}, key: "/registry/test/" + key, value: make([]byte, size)}
}

func TestLargestWriteIsAccepted(t *testing.T) {
	r := newReplica(t, newEtcd(t), false)
	first := r.put("first", maxBytes/2)
	size := sort.Search(maxBytes, func(n int) bool { return first.joinable(r.put("second", n+1)) != nil })
	require.Greater(t, size, maxBytes/2-8<<10, "the limit is etcd's, less what frames the request")
	j := &join{phase: committing, outer: first}
	_, err := j.commit(t.Context(), r.put("second", size))
	require.NoError(t, err, "what is accepted here fits into a request to etcd")
	assert.Equal(t, committed, j.phase)
}
