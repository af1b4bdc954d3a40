// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/egressselector"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app/options"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apiserver"
)

// egressConfig sends what goes to etcd through a proxy behind a socket.
const egressConfig = `
apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: etcd
  connection:
    proxyProtocol: HTTPConnect
    transport: {uds: {udsName: %s}}
`

// applied are options after a configuration of the egress was applied.
func applied(t *testing.T, config string, change func(*options.Options)) options.Completed {
	t.Helper()
	o := options.New()
	o.DataDir = t.TempDir()
	o.Server.AdvertiseAddress = net.IPv4(127, 0, 0, 1)
	if config != "" {
		o.Recommended.EgressSelector.ConfigFile = filepath.Join(t.TempDir(), "egress.yaml")
		require.NoError(t, os.WriteFile(o.Recommended.EgressSelector.ConfigFile, []byte(config), 0o600))
	}
	change(o)
	completed, err := o.Complete()
	require.NoError(t, err)
	require.NoError(t, applyEgress(completed, genericapiserver.NewRecommendedConfig(apiserver.Codecs)))
	return completed
}

func external(o *options.Options) {
	o.Recommended.Etcd.StorageConfig.Transport.ServerList = []string{"https://etcd.example:2379"}
}

func TestEtcdIsReachedThroughItsEgress(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "proxy.sock")
	proxy, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer proxy.Close()
	asked := make(chan string, 1)
	go func() {
		connection, err := proxy.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		if request, err := http.ReadRequest(bufio.NewReader(connection)); err == nil {
			asked <- request.Method + " " + request.Host
		}
		_, _ = fmt.Fprint(connection, "HTTP/1.1 200 OK\r\n\r\n")
	}()

	lookup := applied(t, fmt.Sprintf(egressConfig, socket), external).Recommended.Etcd.StorageConfig.Transport.EgressLookup
	require.NotNil(t, lookup)
	dial, err := lookup(egressselector.Etcd.AsNetworkContext())
	require.NoError(t, err)
	connection, err := dial(t.Context(), "tcp", "etcd.example:2379")
	require.NoError(t, err)
	defer connection.Close()
	assert.Equal(t, "CONNECT etcd.example:2379", <-asked)
}

func TestNoEgress(t *testing.T) {
	assert.Nil(t, applied(t, "", external).Recommended.Etcd.StorageConfig.Transport.EgressLookup)
	embedded := applied(t, fmt.Sprintf(egressConfig, "/proxy.sock"), func(*options.Options) {})
	assert.Nil(t, embedded.Recommended.Etcd.StorageConfig.Transport.EgressLookup, "no proxy leads to a socket of this host")
}
