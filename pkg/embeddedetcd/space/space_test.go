// SPDX-License-Identifier: Apache-2.0

package space

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd"
)

const (
	deadline = time.Minute
	quota    = 2 << 20
)

// newEtcd runs an etcd with a small quota until the test ends.
func newEtcd(t *testing.T) *clientv3.Client {
	t.Helper()
	server, err := embeddedetcd.New(embeddedetcd.Options{DataDir: t.TempDir(), QuotaBytes: quota})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	select {
	case <-server.Ready():
	case err := <-ended:
		require.NoError(t, err, "it ended before it was ready")
	case <-time.After(deadline):
		require.Fail(t, "not ready in time")
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{server.Endpoint()}, Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, client.Close())
		cancel()
		assert.NoError(t, <-ended)
	})
	return client
}

// fill writes until there is no space. With one key it is the past that fills it.
func fill(t *testing.T, client *clientv3.Client, key func(int) string) {
	t.Helper()
	var err error
	for i := 0; err == nil; i++ {
		_, err = client.Put(t.Context(), key(i), strings.Repeat("x", 32<<10))
	}
	require.ErrorIs(t, err, rpctypes.ErrNoSpace)
	alarms, err := client.AlarmList(t.Context())
	require.NoError(t, err)
	require.Len(t, alarms.Alarms, 1)
}

func write(t *testing.T, client *clientv3.Client) error {
	t.Helper()
	_, err := client.Put(t.Context(), "/after", "x")
	return err
}

func TestFree(t *testing.T) {
	client := newEtcd(t)
	fill(t, client, func(int) string { return "/one" })
	require.ErrorIs(t, write(t, client), rpctypes.ErrNoSpace)

	var done []Member
	disarmed, err := Free(t.Context(), client, func(m Member) { done = append(done, m) })
	require.NoError(t, err)
	assert.Equal(t, 1, disarmed)
	require.Len(t, done, 1)
	assert.EqualValues(t, quota, done[0].Quota)
	assert.Less(t, done[0].After, done[0].Before/2)
	require.NoError(t, write(t, client))
	found, err := client.Get(t.Context(), "/one")
	require.NoError(t, err)
	assert.Len(t, found.Kvs, 1, "the present stays")

	disarmed, err = Free(t.Context(), client, func(Member) {})
	require.NoError(t, err)
	assert.Zero(t, disarmed, "it may be repeated")
}

func TestFullOfObjects(t *testing.T) {
	client := newEtcd(t)
	var err error
	for written := 0; err == nil; {
		fill(t, client, func(int) string {
			written++
			return "/many/" + strconv.Itoa(written)
		})
		_, err = Free(t.Context(), client, func(Member) {})
	}
	require.ErrorContains(t, err, "needs a larger quota")
	require.ErrorIs(t, write(t, client), rpctypes.ErrNoSpace, "an alarm that is true stays")
}

func TestCorruptIsNotAboutSpace(t *testing.T) {
	client := newEtcd(t)
	maintenance := pb.NewMaintenanceClient(client.ActiveConnection())
	_, err := maintenance.Alarm(t.Context(), &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: 1, Alarm: pb.AlarmType_CORRUPT})
	require.NoError(t, err)
	_, err = Free(t.Context(), client, func(Member) {})
	require.ErrorContains(t, err, "restore a backup")
	alarms, err := client.AlarmList(t.Context())
	require.NoError(t, err)
	assert.Len(t, alarms.Alarms, 1)
}

// TestMemberThatIsAway: nothing is done to one member when another one cannot be asked.
func TestMemberThatIsAway(t *testing.T) {
	client := newEtcd(t)
	fill(t, client, func(int) string { return "/one" })
	client.SetEndpoints(client.Endpoints()[0], "unix:///nobody")
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	_, err := Free(ctx, client, func(Member) { t.Error("a member was defragmented") })
	require.ErrorContains(t, err, "nobody")
	require.False(t, errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil)
}

func TestFull(t *testing.T) {
	for name, c := range map[string]struct {
		member Member
		full   bool
	}{
		"room":              {Member{After: 50, Quota: 100}, false},
		"just enough":       {Member{After: 98, Quota: 100}, false},
		"too little":        {Member{After: 99, Quota: 100}, true},
		"more than allowed": {Member{After: 120, Quota: 100}, true},
		"an etcd before 3.6 does not say its quota": {Member{After: 120}, false},
	} {
		assert.Equal(t, c.full, c.member.full() != nil, name)
	}
}
