// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	etcdsnapshot "go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/etcd3/testserver"
	"k8s.io/client-go/kubernetes/fake"

	"agents.x-k8s.io/sandbox-apiserver/pkg/storage/fence"
)

// bump is what administrators are told to give: more than was written since the backup.
const bump = 1_000_000_000

// exchanged is an etcd that is replaced under the servers that use it.
type exchanged struct {
	*testing.T
	config *embed.Config
	member *member
	// copied has the data of a stopped member, saved a snapshot of the same.
	copied, saved string
}

// choosing keeps parallel tests from the same free ports.
var choosing sync.Mutex

func newExchanged(t *testing.T) *exchanged {
	t.Helper()
	dir := t.TempDir()
	choosing.Lock()
	defer choosing.Unlock()
	e := &exchanged{T: t, config: testserver.NewTestConfig(t), copied: filepath.Join(dir, "copied"), saved: filepath.Join(dir, "saved.db")}
	e.member = runEtcd(t, e.config)
	t.Cleanup(func() { e.member.Close() })
	return e
}

func (e *exchanged) servers() []string { return []string{e.config.ListenClientUrls[0].String()} }

// backUp stops the member while its files are copied.
func (e *exchanged) backUp() {
	e.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: e.servers(), Logger: zap.NewNop()})
	require.NoError(e, err)
	defer client.Close()
	stream, err := client.Snapshot(e.Context())
	require.NoError(e, err)
	file, err := os.Create(e.saved)
	require.NoError(e, err)
	_, err = io.Copy(file, stream)
	require.NoError(e, err)
	require.NoError(e, file.Close())
	require.NoError(e, stream.Close())
	e.exchange(func() { require.NoError(e, os.CopyFS(e.copied, os.DirFS(e.config.Dir))) })
}

func (e *exchanged) exchange(how func()) {
	e.Helper()
	e.member.kill()
	e.member.Close()
	how()
	e.member = runEtcd(e.T, e.config)
}

func (e *exchanged) empty() {
	require.NoError(e, os.RemoveAll(e.config.Dir))
}

// restore does what etcd's documentation says, with the name, the address and the token of
// the cluster as it was, so that the id of the cluster is the same.
func (e *exchanged) restore() {
	e.empty()
	require.NoError(e, etcdsnapshot.NewV3(zap.NewNop()).Restore(etcdsnapshot.RestoreConfig{
		SnapshotPath: e.saved, OutputDataDir: e.config.Dir, Name: e.config.Name,
		PeerURLs: []string{e.config.AdvertisePeerUrls[0].String()}, InitialCluster: e.config.InitialCluster,
		InitialClusterToken: e.config.InitialClusterToken, RevisionBump: bump, MarkCompacted: true,
	}))
}

// counted says how often the fence has looked.
type counted struct {
	clientv3.KV
	looks atomic.Int64
}

func (c *counted) Txn(ctx context.Context) clientv3.Txn {
	c.looks.Add(1)
	return c.KV.Txn(ctx)
}

// guardedReplica is a replica whose fence was green and does not look by itself any more,
// as between two of its looks.
type guardedReplica struct {
	*replica
	gate  *fence.Gate
	fence *fence.Fence
	looks *counted
}

func newGuardedReplica(t *testing.T, servers []string, cached bool, marks fence.ConfigMap) *guardedReplica {
	t.Helper()
	gate := fence.NewGate()
	guard := fence.NewGuard(gate)
	g := &guardedReplica{replica: &replica{T: t, backend: NewBackend(guard.DialOptions()...)}, gate: gate}
	g.claims = g.store(servers, claims, cached)
	g.boxes = g.store(servers, boxes, cached)
	timing := fence.DefaultTiming()
	timing.Check, timing.Retry = time.Millisecond, 10*time.Millisecond
	g.looks = &counted{KV: g.etcd().KV}
	g.fence = fence.New(fence.Options{
		Etcd: g.looks, Key: "/registry/test/storage-fence", Housekeeping: "compact_rev_key",
		Marks: marks, Reporter: marks, Gate: gate, Guard: guard, Timing: timing,
	})
	g.lookOnce()
	require.NoError(t, gate.Err())
	return g
}

// lookOnce lets the fence look until it has seen what there is now.
func (g *guardedReplica) lookOnce() {
	g.Helper()
	ctx, stop := context.WithCancel(g.Context())
	ended := make(chan error, 1)
	before := g.looks.looks.Load()
	go func() { ended <- g.fence.Run(ctx) }()
	require.Eventually(g, func() bool { return g.gate.Err() == nil && g.looks.looks.Load() >= before+3 }, patience, time.Millisecond)
	stop()
	require.NoError(g, <-ended)
}

// requests are all ways to ask a store for the object called late, which a rewound etcd does
// not know.
var requests = map[string]func(ctx context.Context, g *guardedReplica) error{
	"get": func(ctx context.Context, g *guardedReplica) error {
		_, err := g.boxes.Get(ctx, "late", &metav1.GetOptions{})
		return err
	},
	"list": func(ctx context.Context, g *guardedReplica) error {
		_, err := g.boxes.List(ctx, &metainternalversion.ListOptions{})
		return err
	},
	"create": func(ctx context.Context, g *guardedReplica) error {
		_, err := g.boxes.Create(ctx, named("late"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
		return err
	},
	"update": func(ctx context.Context, g *guardedReplica) error {
		_, err := g.update(ctx, "late", label("any"))
		return err
	},
	"delete": func(ctx context.Context, g *guardedReplica) error {
		_, _, err := g.boxes.Delete(ctx, "late", rest.ValidateAllObjectFunc, &metav1.DeleteOptions{})
		return err
	},
	"join": func(ctx context.Context, g *guardedReplica) error {
		outcome, _, _, err := g.claiming(ctx, named("claim"), "late", bind("claim"))
		assert.NotEqual(g, Committed, outcome)
		return err
	},
	"watch": func(ctx context.Context, g *guardedReplica) error {
		w, err := g.boxes.Watch(ctx, &metainternalversion.ListOptions{ResourceVersion: "1"})
		if err != nil {
			return err
		}
		defer w.Stop()
		event := <-w.ResultChan()
		assert.Equal(g, watch.Error, event.Type, "%v", event.Object)
		return apierrors.FromObject(event.Object)
	},
}

// TestEtcdIsExchanged: from the first answer on, nobody is told that an object does not
// exist which the right etcd has, or that it does which it has not.
func TestEtcdIsExchanged(t *testing.T) {
	for name, how := range map[string]func(*exchanged){
		"for a copy from before": func(e *exchanged) {
			e.empty()
			require.NoError(e, os.CopyFS(e.config.Dir, os.DirFS(e.copied)))
		},
		"for a restored snapshot": (*exchanged).restore,
		"for an empty one":        (*exchanged).empty,
		"for an empty one of another name": func(e *exchanged) {
			e.empty()
			e.config.InitialClusterToken = "another"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			etcd := newExchanged(t)
			marks := fence.ConfigMap{Client: fake.NewClientset(), Namespace: "system", Name: "storage"}
			first := newGuardedReplica(t, etcd.servers(), false, marks)
			etcd.backUp()
			replicas := map[string]*guardedReplica{}
			for request := range requests {
				replicas[request] = newGuardedReplica(t, etcd.servers(), false, marks)
			}
			require.Eventually(t, func() bool {
				_, err := first.boxes.Create(serving(t.Context()), named("late"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
				return err == nil
			}, patience, time.Millisecond, "the same etcd is back")
			first.fence.Keep(t.Context(), func(context.Context) {})
			for _, g := range replicas {
				g.lookOnce()
			}

			etcd.exchange(func() { how(etcd) })
			for request, g := range replicas {
				wantUnavailable(t, g, request)
			}
		})
	}
}

// wantUnavailable repeats what etcd could not be asked for yet.
func wantUnavailable(t *testing.T, g *guardedReplica, request string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(serving(t.Context()), 2*patience)
	defer cancel()
	require.Eventually(t, func() bool {
		err := requests[request](ctx, g)
		require.Error(t, err, request)
		assert.False(t, apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err), "%s: %v", request, err)
		return apierrors.IsServiceUnavailable(err) || request == "join" && apierrors.IsTimeout(err)
	}, patience, time.Millisecond, request)
	require.Error(t, g.gate.Err())
	err := requests[request](ctx, g)
	assert.True(t, apierrors.IsServiceUnavailable(err), "and so for ever: %s: %v", request, err)
}

// TestCachesOfAnExchangedEtcd: no cache takes anything from it, and who watches is told to come again.
func TestCachesOfAnExchangedEtcd(t *testing.T) {
	t.Parallel()
	etcd := newExchanged(t)
	marks := fence.ConfigMap{Client: fake.NewClientset(), Namespace: "system", Name: "storage"}
	first := newGuardedReplica(t, etcd.servers(), false, marks)
	etcd.backUp()
	g := newGuardedReplica(t, etcd.servers(), true, marks)
	late := g.create(g.boxes, named("late"))
	first.fence.Keep(t.Context(), func(context.Context) {})
	g.lookOnce()
	w, err := g.boxes.Watch(serving(t.Context()), &metainternalversion.ListOptions{ResourceVersion: late.ResourceVersion})
	require.NoError(t, err)
	defer w.Stop()

	etcd.exchange(etcd.restore)
	for event := range w.ResultChan() {
		require.Contains(t, []watch.EventType{watch.Bookmark, watch.Error}, event.Type, "%v", event.Object)
	}
	wantUnavailable(t, g, "get")
	// Its cache has what it had, or says that it has nothing.
	cached, err := g.boxes.Get(serving(t.Context()), "late", &metav1.GetOptions{ResourceVersion: "0"})
	if err == nil {
		assert.Equal(t, late.ResourceVersion, cached.(*example.Pod).ResourceVersion)
		return
	}
	assert.True(t, apierrors.IsServiceUnavailable(err), "%v", err)
}

// TestEtcdIsRestarted: a restart is no exchange.
func TestEtcdIsRestarted(t *testing.T) {
	t.Parallel()
	etcd := newExchanged(t)
	g := newGuardedReplica(t, etcd.servers(), true, fence.ConfigMap{Client: fake.NewClientset(), Namespace: "system", Name: "storage"})
	g.create(g.boxes, named("box"))
	etcd.exchange(func() {})
	require.Eventually(t, func() bool {
		_, err := g.boxes.Get(serving(t.Context()), "box", &metav1.GetOptions{})
		return err == nil
	}, patience, time.Millisecond)
	require.NoError(t, g.gate.Err())
}
