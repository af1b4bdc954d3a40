// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIdleClusterBeatsNothing(t *testing.T) {
	f := newFixture(t)
	fence := f.green()
	f.put(housekeeping)
	f.put(housekeeping)
	before := f.store()
	_, writes, _ := f.marks.state()
	for range 3 {
		require.NoError(t, fence.beat(t.Context()))
	}
	assert.Equal(t, before.Revision, f.store().Revision)
	_, after, _ := f.marks.state()
	assert.Equal(t, writes, after)
}

func TestBeatFollowsWrites(t *testing.T) {
	f := newFixture(t)
	fence := f.green()
	f.put(housekeeping)
	f.put("/registry/a")
	require.NoError(t, fence.beat(t.Context()))
	store, mark := f.store(), f.mark()
	assert.EqualValues(t, 2, store.Beat)
	assert.EqualValues(t, 2, mark.Beat)
	assert.Equal(t, store.modRevision, mark.Revision)
	require.NoError(t, fence.beat(t.Context()))
	assert.EqualValues(t, 2, f.store().Beat)
}

func TestBeatCatchesTheMarkUp(t *testing.T) {
	f := newFixture(t)
	fence := f.green()
	f.put("/registry/a")
	unreachable := errors.New("the cluster is unreachable")
	f.marks.breakWith(unreachable)
	require.ErrorIs(t, fence.beat(t.Context()), unreachable)
	require.EqualValues(t, 1, f.store().Beat, "without a mark to compare with nothing is written")
	f.marks.breakWith(nil)
	f.marks.change(func(m *Mark) { m.Beat = 0 })
	require.NoError(t, fence.beat(t.Context()))
	assert.Equal(t, f.store().Beat, f.mark().Beat)
}

// TestNobodyBeatsARewoundEtcdUp: a leader between two looks would hide the rewind.
func TestNobodyBeatsARewoundEtcdUp(t *testing.T) {
	f := newFixture(t)
	fence := f.fence("")
	require.NoError(t, fence.round(t.Context()))
	require.Empty(t, fence.closedFor())
	backup := f.store().modRevision
	f.put("/registry/a")
	require.NoError(t, fence.beat(t.Context()))
	f.rewind(backup)
	f.put("/registry/b")
	require.ErrorContains(t, fence.beat(t.Context()), string(Rewound))
	assert.EqualValues(t, 1, f.store().Beat)
	assert.EqualValues(t, 2, f.mark().Beat)
}

func TestTwoWhoKeepAgree(t *testing.T) {
	f := newFixture(t)
	a, b := f.green(), f.green()
	f.put("/registry/a")
	stale, err := a.etcd.read(t.Context())
	require.NoError(t, err)
	require.NoError(t, b.beat(t.Context()))
	_, err = a.etcd.write(t.Context(), stale, stale.next())
	require.ErrorIs(t, err, errLost)
	assert.EqualValues(t, 2, f.store().Beat)
}

func TestKeepBeatsOnceMoreAtTheEnd(t *testing.T) {
	f := newFixture(t)
	fence := f.green()
	fence.Timing.Beat = time.Hour
	ctx, stop := context.WithCancel(t.Context())
	fence.Keep(ctx, func(ctx context.Context) {
		_, err := f.client.Put(ctx, "/registry/a", "x")
		assert.NoError(t, err)
		stop()
		<-ctx.Done()
	})
	assert.EqualValues(t, 2, f.store().Beat)
	assert.EqualValues(t, 2, f.mark().Beat)
}

func TestKeepBeatsWhileItWorks(t *testing.T) {
	f := newFixture(t)
	fence := f.green()
	f.put("/registry/a")
	fence.Keep(t.Context(), func(context.Context) {
		assert.Eventually(t, func() bool { return f.mark().Beat >= 2 }, patience, time.Millisecond)
	})
}

func (f *fixture) mark() Mark {
	mark, _, _ := f.marks.state()
	return mark
}
