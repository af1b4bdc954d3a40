// SPDX-License-Identifier: Apache-2.0

package node

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

func TestMountPointsAreThoseBelow(t *testing.T) {
	const mountinfo = `22 1 254:0 / / rw shared:1 - ext4 /dev/vda rw
30 22 0:40 / /c/node/run/rootfs rw - overlay overlay rw
31 22 0:41 / /c/node/kubelet/a\040b rw - tmpfs tmpfs rw
32 22 0:42 / /c/node2/run rw - tmpfs tmpfs rw
33 22 0:43 / /c/node rw - tmpfs tmpfs rw
`
	assert.Equal(t, []string{"/c/node/run/rootfs", "/c/node/kubelet/a b"}, mountPoints(mountinfo, "/c/node"))
}

func TestSubnetIsFree(t *testing.T) {
	address := func(cidr string) net.Addr {
		ip, network, err := net.ParseCIDR(cidr)
		require.NoError(t, err)
		network.IP = ip
		return network
	}
	s := subnet{second: 112, third: 7}
	assert.True(t, s.free([]net.Addr{address("127.0.0.1/8"), address("10.112.8.1/24")}))
	assert.False(t, s.free([]net.Addr{address("10.112.7.1/24")}))
	assert.False(t, s.free([]net.Addr{address("10.0.0.1/8")}), "a network around it")
	assert.Equal(t, "10.112.7.1", s.gateway())
}

func TestEveryConfigurationIsRendered(t *testing.T) {
	paths := layout{dir: filepath.Join(t.TempDir(), "node")}
	s := settings{layout: paths, Dir: paths.dir, Gateway: "10.112.7.1", Subnet: "10.112.7.0/24", Kubeconfig: "/k", ClusterCA: "/ca", CrunOCI: "/crun", RuncOCI: "/runc", Shim: "/shim"}
	require.NoError(t, s.write())
	for _, path := range []string{s.containerdConfig(), s.crun(), s.network(), s.everyRegistry(), s.kubeletConfig(), s.proxyConfig(), s.corefile()} {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.NotContains(t, string(content), `""`, path)
		assert.NotContains(t, string(content), "<no value>", path)
	}
	assert.LessOrEqual(t, len(paths.bridge()), 15, "the kernel's limit")
}

func TestStateSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	none, err := readState(path)
	require.NoError(t, err)
	assert.Nil(t, none)
	want := &state{Second: 113, Third: 2, Proxy: true, Kernel: map[string]string{"vm/panic_on_oom": "0"}, Processes: map[string]process.Record{Kubelet: {PID: 1}}}
	require.NoError(t, want.write(path))
	got, err := readState(path)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}
