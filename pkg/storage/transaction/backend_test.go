// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/server/egressselector"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	"k8s.io/apiserver/pkg/storage/etcd3/testserver"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/component-base/metrics/testutil"
)

func TestResourcesShareOneConnection(t *testing.T) {
	r := newReplica(t, newEtcd(t), true)
	connections := r.backend.open()
	require.Len(t, connections, 1)
	assert.Equal(t, 2, connections[0].users)
	assert.NotNil(t, connections[0].compactor)

	r.claims.DestroyFunc()
	r.claims.DestroyFunc()
	assert.Len(t, r.backend.open(), 1, "boxes are still open, destroying twice counts once")
	r.create(r.boxes, named("box"))
	r.boxes.DestroyFunc()
	assert.Empty(t, r.backend.open())
	assert.ErrorIs(t, connections[0].client.Ctx().Err(), context.Canceled)
}

func TestClientIsThatOfTheResources(t *testing.T) {
	servers := newEtcd(t)
	r := newReplica(t, servers, false)
	_, _, _, err := NewBackend().Client(*storageConfig(t, servers))
	require.ErrorIs(t, err, errNothingOpen)
	client, prefix, release, err := r.backend.Client(*storageConfig(t, servers))
	require.NoError(t, err)
	assert.Same(t, r.etcd(), client)
	assert.Equal(t, "/registry/test", prefix)
	connections := r.backend.open()
	assert.Equal(t, 3, connections[0].users)
	release()
	release()
	assert.Equal(t, 2, connections[0].users, "releasing twice counts once")
}

func TestWatchCacheOnAndOff(t *testing.T) {
	servers := newEtcd(t)
	_, isCached := newReplica(t, servers, true).boxes.Storage.Storage.(*cacher.CacheDelegator)
	assert.True(t, isCached)
	_, isCached = newReplica(t, servers, false).boxes.Storage.Storage.(*cacher.CacheDelegator)
	assert.False(t, isCached)
}

// openOnly opens a storage for its error.
func openOnly(b *Backend, c *storagebackend.Config) error {
	newPod := func() runtime.Object { return &example.Pod{} }
	newList := func() runtime.Object { return &example.PodList{} }
	key := func(o runtime.Object) (string, error) { return storage.NamespaceKeyFunc("/boxes", o) }
	_, destroy, err := b.Cached()(c.ForResource(boxes), "/boxes", key, newPod, newList, attributes, nil, nil)
	if err == nil {
		destroy()
	}
	return err
}

func TestOpeningFails(t *testing.T) {
	servers := newEtcd(t)
	for name, tc := range map[string]struct {
		change func(*storagebackend.Config)
		want   string
	}{
		"no servers":     {func(c *storagebackend.Config) { c.Transport.ServerList = nil }, "no etcd servers"},
		"unknown type":   {func(c *storagebackend.Config) { c.Type = "etcd2" }, `"etcd2"`},
		"TLS file":       {func(c *storagebackend.Config) { c.Transport.CertFile = "/absent" }, "/absent"},
		"history window": {func(c *storagebackend.Config) { c.EventsHistoryWindow = time.Second }, "EventsHistoryWindow"},
	} {
		t.Run(name, func(t *testing.T) {
			b, c := NewBackend(), storageConfig(t, servers)
			tc.change(c)
			require.ErrorContains(t, openOnly(b, c), tc.want)
			assert.Empty(t, b.open(), "nothing is left open")
		})
	}
}

func TestEtcdIsDialledThroughItsEgress(t *testing.T) {
	c := storageConfig(t, newEtcd(t))
	var dials atomic.Int32
	c.Transport.EgressLookup = func(to egressselector.NetworkContext) (utilnet.DialFunc, error) {
		assert.Equal(t, egressselector.Etcd, to.EgressSelectionName)
		return func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}, nil
	}
	require.NoError(t, openOnly(NewBackend(), c))
	assert.Positive(t, dials.Load())
}

func TestCompactionOff(t *testing.T) {
	b, c := NewBackend(), storageConfig(t, newEtcd(t))
	c.CompactionInterval = 0
	assert.NoError(t, openOnly(b, c))
}

func TestLeasesAreJoined(t *testing.T) {
	r := newReplica(t, newEtcd(t), false)
	r.create(r.boxes, named("box"))
	r.claims.TTLFunc = func(runtime.Object, uint64, bool) (uint64, error) { return 3600, nil }
	outcome, _, _, err := r.claiming(serving(t.Context()), named("claim"), "box", bind("claim"))
	require.NoError(t, err)
	require.Equal(t, Committed, outcome)
	leaseOf := func(key string) int64 {
		response, err := r.etcd().Get(t.Context(), key)
		require.NoError(t, err)
		require.Len(t, response.Kvs, 1)
		return response.Kvs[0].Lease
	}
	assert.NotZero(t, leaseOf("/registry/test/claims/default/claim"))
	assert.Zero(t, leaseOf("/registry/test/boxes/default/box"))
}

func TestCommitsAreCounted(t *testing.T) {
	r := newReplica(t, newEtcd(t), false)
	r.create(r.boxes, named("box"))
	count := func(x result) uint64 {
		h, err := testutil.GetHistogramMetricCount(commitDuration.WithLabelValues(string(x)))
		require.NoError(t, err)
		return h
	}
	committed, lost := count(resultCommitted), count(resultOuterConflict)
	_, _, _, err := r.claiming(serving(t.Context()), named("claim"), "box", bind("claim"))
	require.NoError(t, err)
	_, _, _, err = r.claiming(serving(t.Context()), named("claim"), "box", label("any"))
	require.Error(t, err)
	assert.Equal(t, committed+1, count(resultCommitted))
	assert.Equal(t, lost+1, count(resultOuterConflict))
}

func TestAlarmCheck(t *testing.T) {
	config := testserver.NewTestConfig(t)
	config.QuotaBackendBytes = 2 << 20
	member := runEtcd(t, config)
	t.Cleanup(member.Close)
	servers := []string{config.ListenClientUrls[0].String()}

	idle := NewBackend().AlarmCheck()
	assert.Equal(t, "etcd-alarms", idle.Name())
	require.ErrorIs(t, idle.Check(probe(t)), errNothingOpen)

	r := newReplica(t, servers, false)
	require.NoError(t, r.backend.AlarmCheck().Check(probe(t)))

	var err error
	for i := 0; err == nil && i < 100; i++ {
		large := named(boxName(i))
		large.Status.Message = strings.Repeat("x", 256<<10)
		_, err = r.boxes.Create(serving(t.Context()), large, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	}
	require.ErrorContains(t, err, "database space exceeded")
	assert.ErrorContains(t, r.backend.AlarmCheck().Check(probe(t)), "NOSPACE")

	member.kill()
	assert.ErrorContains(t, r.backend.AlarmCheck().Check(probe(t)), "listing alarms")
}

func TestCachedCheck(t *testing.T) {
	now := time.Unix(0, 0)
	calls := 0
	var answer error
	c := &cachedCheck{fresh: time.Second, now: func() time.Time { return now }, check: func(context.Context) error {
		calls++
		return answer
	}}
	var probes sync.WaitGroup
	for range 10 {
		probes.Go(func() { assert.NoError(t, c.run(probe(t))) })
	}
	probes.Wait()
	assert.Equal(t, 1, calls)

	answer = errors.New("red")
	now = now.Add(time.Second)
	assert.ErrorIs(t, c.run(probe(t)), answer)
	assert.Equal(t, 2, calls)

	c = &cachedCheck{fresh: time.Second, now: c.now, check: c.check, keepSuccess: true}
	assert.Error(t, c.run(probe(t)))
	answer, now = nil, now.Add(time.Second)
	assert.NoError(t, c.run(probe(t)))
	now = now.Add(time.Hour)
	assert.NoError(t, c.run(probe(t)))
	assert.Equal(t, 4, calls, "a success is kept")
}

func TestCheckOutlivesAProbeThatGivesUp(t *testing.T) {
	c := &cachedCheck{fresh: time.Second, now: time.Now, check: func(ctx context.Context) error { return ctx.Err() }}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil)
	require.NoError(t, err)
	assert.NoError(t, c.run(request))
}

func TestSelfTest(t *testing.T) {
	r := newReplica(t, newEtcd(t), true)
	check := r.backend.SelfTestCheck()
	assert.Equal(t, "etcd-transactions", check.Name())
	require.NoError(t, check.Check(probe(t)))
	before := r.revision(t.Context())
	require.NoError(t, check.Check(probe(t)))
	assert.Equal(t, before, r.revision(t.Context()), "once passed, it is not repeated")

	left, err := r.etcd().Get(t.Context(), "/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	require.NoError(t, err)
	assert.Zero(t, left.Count, "no key is left")
	assert.ErrorIs(t, NewBackend().SelfTest(t.Context()), errNothingOpen)
}

// notEtcd answers transactions as servers do that translate to a database.
type notEtcd struct {
	clientv3.KV
	response *clientv3.TxnResponse
	err      error
}

func (f *notEtcd) Txn(context.Context) clientv3.Txn { return fakeTxn{f} }

type fakeTxn struct{ *notEtcd }

func (x fakeTxn) If(...clientv3.Cmp) clientv3.Txn        { return x }
func (x fakeTxn) Then(...clientv3.Op) clientv3.Txn       { return x }
func (x fakeTxn) Else(...clientv3.Op) clientv3.Txn       { return x }
func (x fakeTxn) Commit() (*clientv3.TxnResponse, error) { return x.response, x.err }

func TestSelfTestElsewhere(t *testing.T) {
	client := testserver.RunEtcd(t, nil)
	for name, tc := range map[string]struct {
		fake *notEtcd
		want string
	}{
		"unimplemented": {&notEtcd{err: status.Error(codes.Unimplemented, "unknown method")}, "no etcd"},
		"unsupported":   {&notEtcd{err: status.Error(codes.InvalidArgument, "unsupported operations in txn request")}, "no etcd"},
		"always no":     {&notEtcd{response: &clientv3.TxnResponse{}}, "no etcd"},
		"always yes":    {&notEtcd{response: &clientv3.TxnResponse{Succeeded: true}}, "no etcd"},
		"unreachable":   {&notEtcd{err: status.Error(codes.Unavailable, "connection refused")}, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			err := selfTest(t.Context(), tc.fake, client.Client, "/registry")
			require.ErrorContains(t, err, tc.want)
		})
	}
}
