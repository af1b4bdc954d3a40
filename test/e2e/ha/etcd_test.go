// SPDX-License-Identifier: Apache-2.0

package ha

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
)

// TestEtcdLeaderKilled kills the leader of etcd. Requests fail until the other members
// have chosen another, and nothing is lost.
func TestEtcdLeaderKilled(t *testing.T) {
	ns := env.Space(t)
	prepare(ns)
	load := startLoad(ns, "etcd")
	defer load.finish()
	load.warmUp()
	leader := etcdLeader(t)

	begin := time.Now()
	require.NoError(t, leader.Kill(t.Context()))
	load.steady()
	require.NoError(t, leader.Start(t.Context()))
	load.steady()

	answers := load.finish()
	t.Logf("in all: %s; errors for %v; longest time without a claim %v", figures(answers), errorWindow(answers), silence(answers))
	load.show(answers)
	assert.NotEmpty(t, good(between(answers, begin, time.Now()), "claim"), "claims go on with two members")
	load.nothingLost()
}

// etcdLeader is the member that leads.
func etcdLeader(t *testing.T) *local.EtcdMember {
	t.Helper()
	for _, member := range env.Cluster.EtcdMembers() {
		client := etcdClient(t, member)
		status, err := client.Status(t.Context(), member.Endpoint())
		require.NoError(t, err)
		if status.Leader == status.Header.MemberId {
			return member
		}
	}
	require.Fail(t, "no member of etcd leads")
	return nil
}

func etcdClient(t *testing.T, member *local.EtcdMember) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{member.Endpoint()}, DialTimeout: patience})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestFullEtcd raises the alarm that etcd raises when its disk quota is used up: reads go
// on, every write fails.
func TestFullEtcd(t *testing.T) {
	etcd := etcdClient(t, env.Cluster.EtcdMembers()[0])
	ctx := t.Context()
	status, err := etcd.Status(ctx, etcd.Endpoints()[0])
	require.NoError(t, err)
	alarm := &etcdserverpb.AlarmRequest{
		Action: etcdserverpb.AlarmRequest_ACTIVATE, MemberID: status.Header.MemberId, Alarm: etcdserverpb.AlarmType_NOSPACE,
	}
	disarm := func(ctx context.Context) error {
		_, err := etcd.AlarmDisarm(ctx, &clientv3.AlarmMember{})
		return err
	}
	t.Cleanup(func() { _ = disarm(context.WithoutCancel(ctx)) })
	_, err = etcdserverpb.NewMaintenanceClient(etcd.ActiveConnection()).Alarm(ctx, alarm)
	require.NoError(t, err)
	for _, replica := range env.Cluster.Replicas() {
		probe := newProbe(t, replica)
		probe.eventually("/readyz", http.StatusInternalServerError)
		probe.eventually("/livez", http.StatusOK)
		assert.Contains(t, probe.body("/readyz"), "[-]etcd-alarms")
	}
	require.NoError(t, disarm(ctx))
	for _, replica := range env.Cluster.Replicas() {
		newProbe(t, replica).eventually("/readyz", http.StatusOK)
		require.NoError(t, replica.WaitAvailable(ctx))
	}
}
