// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apiserver/pkg/storage/etcd3/testserver"
)

const (
	key          = "/registry/storage-fence"
	housekeeping = "compact_rev_key"
	patience     = 20 * time.Second
)

// memory is a mark that several replicas share, with the precondition of a ConfigMap.
type memory struct {
	mu     sync.Mutex
	mark   Mark
	writes int
	broken error
	events []Event
}

func (m *memory) Read(context.Context) (Mark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mark, m.broken
}

func (m *memory) Write(_ context.Context, was Mark, p Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	if was.version != m.mark.version {
		return errLost
	}
	m.writes++
	m.mark = Mark{Position: p, exists: true, version: m.mark.version + "+"}
	return nil
}

func (m *memory) Report(_ context.Context, e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, e)
}

func (m *memory) change(f func(*Mark)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.mark)
	m.mark.version += "+"
}

func (m *memory) breakWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

func (m *memory) state() (Mark, int, []Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mark, m.writes, m.events
}

// switchable is an etcd that can be exchanged for another, or be silent.
type switchable struct {
	mu     sync.Mutex
	kv     clientv3.KV
	broken error
}

func (s *switchable) use(kv clientv3.KV, broken error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kv, s.broken = kv, broken
}

func (s *switchable) Txn(ctx context.Context) clientv3.Txn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return brokenTxn{err: s.broken}
	}
	return s.kv.Txn(ctx)
}

type brokenTxn struct{ err error }

func (b brokenTxn) If(...clientv3.Cmp) clientv3.Txn        { return b }
func (b brokenTxn) Then(...clientv3.Op) clientv3.Txn       { return b }
func (b brokenTxn) Else(...clientv3.Op) clientv3.Txn       { return b }
func (b brokenTxn) Commit() (*clientv3.TxnResponse, error) { return nil, b.err }

type kv struct {
	clientv3.KV
	*switchable
}

func (k kv) Txn(ctx context.Context) clientv3.Txn { return k.switchable.Txn(ctx) }

// fixture is one etcd, one mark, and the replicas that a test starts.
type fixture struct {
	*testing.T
	client *clientv3.Client
	etcd   *switchable
	marks  *memory
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	client := testserver.RunEtcd(t, nil).Client
	return &fixture{T: t, client: client, etcd: &switchable{kv: client.KV}, marks: &memory{}}
}

func (f *fixture) fence(confirm string) *Fence {
	gate := NewGate()
	return New(Options{
		Etcd: kv{KV: f.client.KV, switchable: f.etcd}, Key: key, Housekeeping: housekeeping,
		Marks: f.marks, Reporter: f.marks, Confirm: confirm, Gate: gate, Guard: NewGuard(gate),
		Timing: Timing{Check: time.Millisecond, Mark: time.Millisecond, Retry: time.Millisecond, Beat: time.Millisecond, Outage: 50 * time.Millisecond, Timeout: 5 * time.Second},
	})
}

// start runs a replica until the test ends; the channel has what Run returned.
func (f *fixture) start(fence *Fence) <-chan error {
	f.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(f.Context()))
	ended, result := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(ended)
		result <- fence.Run(ctx)
	}()
	f.Cleanup(func() {
		stop()
		<-ended
	})
	return result
}

func (f *fixture) waitFor(fence *Fence, want Reason) {
	f.Helper()
	require.Eventually(f, func() bool { return fence.closedFor() == want }, patience, time.Millisecond, "waiting for %q, it is %v", want, fence.Gate.Err())
}

func (f *fixture) green() *Fence {
	f.Helper()
	fence := f.fence("")
	f.start(fence)
	f.waitFor(fence, "")
	return fence
}

func (f *fixture) store() Store {
	f.Helper()
	store, err := etcdKey{kv: f.client.KV, key: key, housekeeping: housekeeping}.read(f.Context())
	require.NoError(f, err)
	return store
}

func (f *fixture) put(key string) int64 {
	f.Helper()
	response, err := f.client.Put(f.Context(), key, "x")
	require.NoError(f, err)
	return response.Header.Revision
}

// rewind puts an earlier value of our key back, as a restore with bumped revisions does.
func (f *fixture) rewind(to int64) {
	f.Helper()
	old, err := f.client.Get(f.Context(), key, clientv3.WithRev(to))
	require.NoError(f, err)
	require.Len(f, old.Kvs, 1)
	_, err = f.client.Put(f.Context(), key, string(old.Kvs[0].Value))
	require.NoError(f, err)
}

func TestNothingEntersBeforeTheFirstVerdict(t *testing.T) {
	f := newFixture(t)
	f.marks.breakWith(errors.New("the cluster is unreachable"))
	fence := f.fence("")
	assert.Equal(t, NotVerified, fence.closedFor())
	f.start(fence)
	require.Eventually(t, func() bool {
		err := fence.Gate.Err()
		return err != nil && err.Error() == "NotVerified: the cluster is unreachable"
	}, patience, time.Millisecond)
	assert.Empty(t, f.store().Epoch, "nothing is begun before the mark is read")
	f.marks.breakWith(nil)
	f.waitFor(fence, "")
}

func TestReplicasThatStartAtOnceAgree(t *testing.T) {
	f := newFixture(t)
	var replicas []*Fence
	for range 5 {
		fence := f.fence("")
		replicas = append(replicas, fence)
		f.start(fence)
	}
	for _, fence := range replicas {
		f.waitFor(fence, "")
	}
	mark, writes, events := f.marks.state()
	assert.Equal(t, f.store().Epoch, mark.Epoch)
	assert.Equal(t, 1, writes)
	assert.Len(t, events, 1)
}

func TestCrashBetweenTheWritesOfAFirstStart(t *testing.T) {
	f := newFixture(t)
	crashed := f.fence("")
	store, err := crashed.etcd.read(t.Context())
	require.NoError(t, err)
	require.NoError(t, crashed.take(t.Context(), Verdict{step: stepBegin}, store))

	f.green()
	mark, _, _ := f.marks.state()
	assert.Equal(t, f.store().Epoch, mark.Epoch)
}

func TestCrashBetweenTheWritesOfAConfirmation(t *testing.T) {
	f := newFixture(t)
	f.green()
	was, _, _ := f.marks.state()
	_, err := f.client.Delete(t.Context(), key)
	require.NoError(t, err)

	crashed := f.fence(was.Epoch)
	require.NoError(t, crashed.readMark(t.Context()))
	store, err := crashed.etcd.read(t.Context())
	require.NoError(t, err)
	require.NoError(t, crashed.take(t.Context(), Verdict{step: stepConfirm}, store))

	f.green()
	mark, _, _ := f.marks.state()
	assert.NotEqual(t, was.Epoch, mark.Epoch)
	assert.Equal(t, f.store().Epoch, mark.Epoch)
}

func TestEmptyEtcdUntilConfirmed(t *testing.T) {
	f := newFixture(t)
	first := f.green()
	was, _, _ := f.marks.state()
	_, err := f.client.Delete(t.Context(), key)
	require.NoError(t, err)
	f.waitFor(first, EpochMissing)

	without := f.fence("")
	ended := f.start(without)
	stale := f.fence("some-other-epoch")
	f.start(stale)
	f.waitFor(without, EpochMissing)
	f.waitFor(stale, EpochMissing)
	assert.Empty(t, f.store().Epoch)

	// Two at once, as in a rolling update.
	confirming, other := f.fence(was.Epoch), f.fence(was.Epoch)
	f.start(confirming)
	f.start(other)
	f.waitFor(confirming, "")
	f.waitFor(other, "")
	require.ErrorIs(t, <-ended, ErrRestart, "who was red makes room")
	mark, _, events := f.marks.state()
	assert.Equal(t, f.store().Epoch, mark.Epoch)
	assert.Equal(t, []string{was.Epoch}, f.store().Replaced)
	confirmations := 0
	for _, e := range events {
		if e.Reason == "StorageLossConfirmed" {
			confirmations++
		}
	}
	assert.Equal(t, 1, confirmations)

	// The flag is used up.
	_, err = f.client.Delete(t.Context(), key)
	require.NoError(t, err)
	again := f.fence(was.Epoch)
	f.start(again)
	f.waitFor(again, EpochMissing)
}

// behind puts another etcd in place that has our key as it was at a revision, with a higher
// revision, as a restore makes it.
func (f *fixture) behind(revision int64) {
	f.Helper()
	other := testserver.RunEtcd(f.T, nil).Client
	old, err := f.client.Get(f.Context(), key, clientv3.WithRev(revision))
	require.NoError(f, err)
	require.Len(f, old.Kvs, 1)
	_, err = other.Put(f.Context(), key, string(old.Kvs[0].Value))
	require.NoError(f, err)
	for now := int64(0); now <= f.store().Revision; {
		response, err := other.Put(f.Context(), "/registry/a", "x")
		require.NoError(f, err)
		now = response.Header.Revision
	}
	f.client = other
	f.etcd.use(other.KV, nil)
}

// confirming is a fence with the flags of an administrator who has looked.
func (f *fixture) confirming(complete bool) *Fence {
	f.Helper()
	mark, _, _ := f.marks.state()
	fence := f.fence(mark.Epoch)
	if complete {
		fence.Complete = mark.Epoch
	}
	return fence
}

// waitForEvent waits, since a fence closes before it reports.
func (f *fixture) waitForEvent(reason, note string) {
	f.Helper()
	require.Eventually(f, func() bool {
		_, _, events := f.marks.state()
		return slices.ContainsFunc(events, func(e Event) bool { return e.Reason == reason && strings.Contains(e.Note, note) })
	}, patience, time.Millisecond, "%s: %s", reason, note)
}

func TestLossIsRemembered(t *testing.T) {
	f := newFixture(t)
	first := f.green()
	begun := f.store()
	assert.Zero(t, begun.LossConfirmed)
	assert.False(t, first.Gate.BeforeLoss(begun.Created), "nothing is lost at a first start")
	f.put("/registry/a")
	require.NoError(t, first.beat(t.Context()))
	f.behind(begun.modRevision)
	f.waitFor(first, Rewound)

	complete := f.confirming(true)
	f.start(complete)
	f.waitFor(complete, Rewound)
	assert.ErrorContains(t, complete.Gate.Err(), "behind")
	f.waitForEvent("StorageRewound", "--confirm-storage-complete says that nothing is lost")
	assert.Equal(t, begun.Epoch, f.store().Epoch, "neither a loss nor a move is written")

	earliest := time.Now().Truncate(time.Second)
	lossy := f.confirming(false)
	f.start(lossy)
	f.waitFor(lossy, "")
	loss := f.store().LossConfirmed
	assert.WithinRange(t, loss, earliest, time.Now())
	assert.True(t, lossy.Gate.BeforeLoss(begun.Created))
	assert.False(t, lossy.Gate.BeforeLoss(loss.Add(time.Second)))
	f.put("/registry/a")
	require.NoError(t, lossy.beat(t.Context()))
	assert.Equal(t, loss, f.store().LossConfirmed, "a beat keeps it")
	mark, _, _ := f.marks.state()
	assert.Equal(t, loss, mark.LossConfirmed, "and tells administrators")

	// Every replica, and every later process, knows.
	assert.True(t, f.green().Gate.BeforeLoss(loss))
}

func TestMoveIsNoLoss(t *testing.T) {
	f := newFixture(t)
	first := f.green()
	begun := f.store()
	f.behind(begun.modRevision)
	f.waitFor(first, EtcdReplaced)
	moved := f.confirming(true)
	f.start(moved)
	f.waitFor(moved, "")
	assert.NotEqual(t, begun.Epoch, f.store().Epoch)
	assert.Zero(t, f.store().LossConfirmed)
	assert.False(t, moved.Gate.BeforeLoss(begun.Created))
	f.waitForEvent("StorageMoveConfirmed", "nothing is lost")
}

// TestFlagOfAnEarlierMoveCallsNoRestoreComplete: it stays in the manifest, and the next loss may
// look like a move.
func TestFlagOfAnEarlierMoveCallsNoRestoreComplete(t *testing.T) {
	f := newFixture(t)
	first := f.green()
	f.behind(f.store().modRevision)
	f.waitFor(first, EtcdReplaced)
	fence := f.confirming(false)
	fence.Complete = "the-epoch-before"
	f.start(fence)
	f.waitFor(fence, "")
	assert.NotZero(t, f.store().LossConfirmed)
}

func TestRewoundByLessThanABeat(t *testing.T) {
	f := newFixture(t)
	other := testserver.RunEtcd(t, nil).Client
	fence := f.fence("")
	result := f.start(fence)
	f.waitFor(fence, "")
	begun := f.store()
	revision := f.put("/registry/a")
	require.Eventually(t, func() bool { return fence.furthest().Revision >= revision }, patience, time.Millisecond)

	// An etcd with the same beat that has not seen the write.
	value, err := f.client.Get(t.Context(), key)
	require.NoError(t, err)
	_, err = other.Put(t.Context(), key, string(value.Kvs[0].Value))
	require.NoError(t, err)
	f.marks.change(func(m *Mark) { m.Cluster, m.Revision = 0, 1 })
	fence.mu.Lock()
	fence.seen.Cluster = 0
	fence.mu.Unlock()
	f.etcd.use(other.KV, nil)
	require.Eventually(t, func() bool { return fence.closedFor() != "" }, patience, time.Millisecond)
	require.Eventually(t, func() bool {
		mark, _, _ := f.marks.state()
		return mark.Revision >= revision && mark.Beat == begun.Beat
	}, patience, time.Millisecond, "what was seen is written down")
	fresh := f.fence("")
	f.start(fresh)
	f.waitFor(fresh, Rewound)

	f.etcd.use(f.client.KV, nil)
	require.ErrorIs(t, <-result, ErrRestart)
	assert.NotEmpty(t, fence.closedFor(), "red is final for a process")
}

func TestRewoundWithBumpedRevisions(t *testing.T) {
	f := newFixture(t)
	fence := f.green()
	backup := f.store().modRevision
	f.put("/registry/a")
	require.NoError(t, fence.beat(t.Context()))
	require.EqualValues(t, 2, f.store().Beat)

	f.rewind(backup)
	fence.tryBeat(t.Context())
	f.waitFor(fence, Rewound)
	fresh := f.fence("")
	f.start(fresh)
	f.waitFor(fresh, Rewound)
	assert.EqualValues(t, 1, f.store().Beat, "nobody beats what was rewound up")
}

func TestDeletedConfigMapIsMadeAgain(t *testing.T) {
	f := newFixture(t)
	fence := f.green()
	f.marks.change(func(m *Mark) { *m = Mark{} })
	require.Eventually(t, func() bool {
		mark, _, _ := f.marks.state()
		return mark.Epoch == f.store().Epoch
	}, patience, time.Millisecond)
	assert.Empty(t, fence.closedFor())
}

func TestSilentEtcd(t *testing.T) {
	f := newFixture(t)
	fence := f.fence("")
	fence.Timing.Outage = time.Hour
	f.start(fence)
	f.waitFor(fence, "")
	inside, leave, err := fence.Gate.Enter(t.Context())
	require.NoError(t, err)
	defer leave()

	f.etcd.use(nil, errors.New("etcd is silent"))
	assert.Never(t, func() bool { return fence.closedFor() != "" }, 100*time.Millisecond, time.Millisecond, "cannot tell is not red")
	require.NoError(t, inside.Err())
}

func TestLongSilenceClosesUntilTheNextVerdict(t *testing.T) {
	f := newFixture(t)
	fence := f.green()
	inside, leave, err := fence.Gate.Enter(t.Context())
	require.NoError(t, err)
	defer leave()
	f.etcd.use(nil, errors.New("etcd is silent"))
	f.waitFor(fence, NotVerified)
	<-inside.Done()
	f.etcd.use(f.client.KV, nil)
	f.waitFor(fence, "")
}

func TestSilentClusterWhileGreen(t *testing.T) {
	f := newFixture(t)
	fence := f.green()
	f.marks.breakWith(errors.New("the cluster is unreachable"))
	revision := f.put("/registry/a")
	require.Eventually(t, func() bool { return fence.furthest().Revision >= revision }, patience, time.Millisecond, "etcd is still watched")
	assert.Empty(t, fence.closedFor())
	_, err := f.client.Delete(t.Context(), key)
	require.NoError(t, err)
	f.waitFor(fence, EpochMissing)
}

func TestForeignValueIsNoVerdict(t *testing.T) {
	f := newFixture(t)
	f.put(key)
	fence := f.fence("")
	f.start(fence)
	require.Eventually(t, func() bool { return fence.Gate.Err().Error() != "NotVerified: etcd has not been looked at yet" }, patience, time.Millisecond)
	assert.ErrorContains(t, fence.Gate.Err(), "not what this server writes")
}

// TestTrippedGuard: what the guard alone has seen is told, written down and outlives the process.
func TestTrippedGuard(t *testing.T) {
	f := newFixture(t)
	fence := f.fence("")
	result := f.start(fence)
	f.waitFor(fence, "")
	lost := f.store().Revision + 5
	fence.Guard.trip(trip{lost: lost, Refusal: &Refusal{Reason: Rewound, Message: "an answer was behind"}})
	require.EqualError(t, fence.Gate.Err(), "Rewound: an answer was behind", "at once")
	require.Eventually(t, func() bool { return f.mark().Revision == lost }, patience, time.Millisecond)
	fresh := f.fence("")
	f.start(fresh)
	f.waitFor(fresh, Rewound)

	for f.store().Revision < lost {
		f.put("/registry/a")
	}
	require.ErrorIs(t, <-result, ErrRestart, "the right etcd is back")
	require.Error(t, fence.Gate.Err(), "red is final for a process")
	_, _, events := f.marks.state()
	told := 0
	for _, e := range events {
		if strings.Contains(e.Note, "an answer was behind") {
			told++
		}
	}
	assert.Equal(t, 1, told)
}

func TestRecognise(t *testing.T) {
	f := newFixture(t)
	fence := f.fence("")
	fence.Timing.Timeout = time.Second
	require.NoError(t, fence.round(t.Context()))
	require.NoError(t, fence.recognise(t.Context()))
	f.etcd.use(nil, errors.New("etcd is silent"))
	require.ErrorContains(t, fence.recognise(t.Context()), "etcd is silent")
	require.Empty(t, fence.closedFor(), "no verdict is none")

	f.etcd.use(f.client.KV, nil)
	backup := f.store().modRevision
	f.put("/registry/a")
	require.NoError(t, fence.beat(t.Context()))
	require.NoError(t, fence.round(t.Context()))
	f.rewind(backup)
	require.NoError(t, fence.recognise(t.Context()))
	assert.Equal(t, Rewound, fence.closedFor())
}
