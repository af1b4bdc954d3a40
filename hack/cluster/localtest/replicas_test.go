// SPDX-License-Identifier: Apache-2.0

package localtest

import (
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/client-go/rest"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
)

// TestLocalClusterReplicas is the promise of package local's documentation about several servers.
func TestLocalClusterReplicas(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane, and builds it if need be")
	}
	t.Setenv(stubVariable, "yes")
	program, err := os.Executable()
	require.NoError(t, err)
	cluster := Start(t, local.Options{ServerBinary: program, CertificateFiles: true, Replicas: 2, Nodes: 1, Log: t.Output()})
	ctx, replicas := t.Context(), cluster.Replicas()
	require.Len(t, replicas, 2)
	assert.Empty(t, cluster.Missing())
	assert.Len(t, cluster.Processes(), 9)

	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{cluster.EtcdEndpoint()}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	_, err = etcd.Put(ctx, "a", "b")
	require.NoError(t, err)

	for i, dead := range replicas {
		address, other := dead.Address(), replicas[1-i]
		require.NoError(t, dead.Kill(ctx))
		require.Error(t, reach(t, dead))
		require.NoError(t, reach(t, other))
		require.Eventually(t, func() bool { return other.WaitAvailable(ctx) == nil }, timeout, pollInterval)
		assert.Equal(t, "v1beta1", served(t, cluster), "clients reach the other one")
		require.NoError(t, dead.Start(ctx))
		assert.Equal(t, address, dead.Address())
		require.NoError(t, reach(t, dead))
	}

	before := cluster.Processes()
	again, err := local.Start(ctx, local.Options{Dir: cluster.Dir(), ServerBinary: program, Nodes: 1, Detached: true})
	require.NoError(t, err)
	assert.Equal(t, before, again.Processes(), "a second start leaves it alone")
	_, err = local.Start(ctx, local.Options{Dir: cluster.Dir(), ServerBinary: program, Replicas: 3, Nodes: 1, Detached: true})
	require.ErrorContains(t, err, "2 replicas")
	opened, err := local.Open(cluster.Dir())
	require.NoError(t, err)
	assert.Equal(t, before, opened.Processes(), "whoever ends it knows of all")
	assert.True(t, slices.ContainsFunc(opened.Replicas(), func(s *local.Server) bool { return s.PID() == replicas[1].PID() }))
}

// reach asks a replica itself, trusting its own certificate.
func reach(t *testing.T, server *local.Server) error {
	t.Helper()
	client, err := rest.HTTPClientFor(server.RESTConfig())
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+server.Address()+"/readyz", nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
