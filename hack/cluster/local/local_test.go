// SPDX-License-Identifier: Apache-2.0

package local

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

func TestOptionsComplete(t *testing.T) {
	done, err := Options{Dir: "relative", Root: "/checkout"}.complete()
	require.NoError(t, err)
	assert.True(t, filepath.IsAbs(done.Dir))
	assert.Equal(t, DefaultNodes, done.Nodes)
	assert.Equal(t, "/checkout/bin/sandbox-apiserver", done.ServerBinary)
	assert.Equal(t, []string{binaries.SandboxAPIServer, binaries.ClusterProgram}, done.programs())

	own, err := Options{Dir: "d", Root: "/checkout", ServerBinary: "/elsewhere/server", Nodes: 7}.complete()
	require.NoError(t, err)
	assert.Equal(t, 7, own.Nodes)
	assert.Equal(t, []string{binaries.ClusterProgram}, own.programs(), "a given server is not built")

	for name, bad := range map[string]Options{
		"Options.Dir is empty": {Root: "/checkout"},
		"-1 nodes":             {Dir: "d", Root: "/checkout", Nodes: -1},
		"-1 replicas":          {Dir: "d", Root: "/checkout", Replicas: -1},
		"3 members of etcd":    {Dir: "d", Root: "/checkout", EtcdMembers: 3},
	} {
		_, err := bad.complete()
		require.ErrorContains(t, err, name)
	}
}

func TestKwokConfig(t *testing.T) {
	raw, err := kwokConfig("/checkout", layout{dir: "/c"}, &state{PlanePorts: []int{1, 2, 3, 4, 5, 6}})
	require.NoError(t, err)
	var config struct {
		Kind    string         `json:"kind"`
		Options map[string]any `json:"options"`
		Patches []struct {
			Name      string                        `json:"name"`
			ExtraArgs []struct{ Key, Value string } `json:"extraArgs"`
		} `json:"componentsPatches"`
	}
	require.NoError(t, yaml.Unmarshal(raw, &config))
	assert.Equal(t, "KwokctlConfiguration", config.Kind)
	assert.Equal(t, "127.0.0.1", config.Options["bindAddress"], "nothing listens for other machines")
	assert.Equal(t, true, config.Options["kubeAuthorization"])
	assert.Equal(t, "/checkout/bin/kube-apiserver", config.Options["kubeApiserverBinary"])

	ports := map[any]bool{}
	for name, value := range config.Options {
		if strings.HasSuffix(name, "Port") && name != "securePort" {
			ports[value] = true
		}
	}
	assert.Len(t, ports, kwokPorts, "every port is given, each once")

	extra := map[string]string{}
	for _, patch := range config.Patches {
		for _, arg := range patch.ExtraArgs {
			extra[patch.Name+" "+arg.Key] = arg.Value
		}
	}
	assert.Equal(t, "/c/kwok/clusters/sandbox/pki/ca.crt", extra["kube-apiserver requestheader-client-ca-file"])
	assert.Equal(t, "X-Remote-User", extra["kube-apiserver requestheader-username-headers"])
	assert.Equal(t, "500", extra["kube-controller-manager kube-api-qps"])
}

func TestStateSurvivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	none, err := readState(path)
	require.NoError(t, err)
	assert.Nil(t, none)

	record := &process.Record{PID: 1, StartTicks: 2, Program: "/bin/x"}
	want := &state{
		Complete: true, serverState: serverState{ServerPort: 12345, Server: record}, Others: []*serverState{{ServerPort: 1, Server: record}},
		Shared: &sharedState{Etcd: []*memberState{{Port: 2, PeerPort: 3, Process: record}}, BalancerPort: 4},
	}
	require.NoError(t, want.write(path))
	got, err := readState(path)
	require.NoError(t, err)
	assert.Equal(t, want, got)

	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err = readState(path)
	require.ErrorContains(t, err, path)
}

func TestLostPort(t *testing.T) {
	assert.False(t, lostPort(nil))
	assert.False(t, lostPort(errors.New("timed out")))
	assert.True(t, lostPort(errors.New("the process has ended\nthe end of its log:\nlisten tcp 127.0.0.1:31561: bind: address already in use\n")))

	paths := layout{dir: t.TempDir()}
	log := paths.componentLog(componentScheduler)
	require.NoError(t, os.MkdirAll(filepath.Dir(log), 0o755))
	plane := controlPlane{paths: paths}
	assert.Empty(t, plane.takenPorts())
	require.NoError(t, os.WriteFile(log, []byte("failed to listen: bind: address already in use\n"), 0o600))
	assert.True(t, lostPort(errors.New(plane.takenPorts())))
	assert.Contains(t, plane.takenPorts(), componentScheduler)
}

func TestEnvironmentKeepsTheUsersSettingsOut(t *testing.T) {
	plane := controlPlane{paths: layout{dir: "/c"}}
	env := plane.environment([]string{"PATH=/bin", "KWOK_RUNTIME=docker", "KUBECONFIG=/root/.kube/config", "KUBERNETES_MASTER=x"})
	assert.Equal(t, []string{"PATH=/bin", "KWOK_WORKDIR=/c/kwok", "KUBECONFIG=/c/kubeconfig", "KUBECACHEDIR=/c/kubectl-cache", "KUBERC=off"}, env)
}

func TestServerArgs(t *testing.T) {
	args := newServer(&state{serverState: serverState{ServerPort: 4711}}).standardArgs()
	assert.Contains(t, args, "--secure-port=4711")
	assert.Contains(t, args, "--bind-address=127.0.0.1")
	assert.Contains(t, args, "--data-dir=/c/sandbox-apiserver")
	for _, flag := range []string{"--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"} {
		assert.Contains(t, args, flag+"=/c/credentials/kubeconfig", "the server is its ServiceAccount, not the administrator")
	}
}

func newServer(s *state) *Server {
	c := newCluster(layout{dir: "/c"}, "/checkout", s)
	c.addServers("", nil)
	return c.Server
}

func TestReplicas(t *testing.T) {
	one, err := newState(t.Context(), 0, 0)
	require.NoError(t, err)
	assert.Equal(t, one.ServerPort, one.publicPort())
	assert.Empty(t, newServer(one).cluster.EtcdEndpoint())

	three, err := newState(t.Context(), 3, 1)
	require.NoError(t, err)
	assert.Equal(t, three.Shared.BalancerPort, three.publicPort(), "kube-apiserver reaches any replica")
	all := append([]int{three.Shared.Etcd[0].Port, three.Shared.Etcd[0].PeerPort, three.Shared.BalancerPort}, three.PlanePorts...)
	for _, server := range three.servers() {
		all = append(all, server.ServerPort)
	}
	slices.Sort(all)
	assert.Len(t, slices.Compact(all), kwokPorts+3+3, "no two processes share a port")
	cluster := newServer(three).cluster
	replicas := cluster.Replicas()
	require.Len(t, replicas, 3)
	assert.Same(t, cluster.Server, replicas[0])
	different := map[string]bool{}
	for _, server := range replicas {
		assert.Contains(t, server.standardArgs(), "--etcd-servers="+cluster.EtcdEndpoint())
		require.Error(t, server.WipeData(), "no replica owns the data")
		for _, own := range []string{server.Address(), server.LogPath(), server.standardArgs()[1]} {
			assert.False(t, different[own], "%s is of one replica", own)
			different[own] = true
		}
	}
	assert.Equal(t, "/c/credentials/ca.crt", replicas[0].CAFile())
	assert.Equal(t, replicas[0].CAFile(), replicas[1].CAFile(), "replicas share their authority")
	cluster.state.CertificateFiles = true
	assert.Equal(t, "/c/credentials/ca.crt", replicas[0].CAFile())
	assert.Equal(t, "/c/credentials/sandbox-apiserver-2/ca.crt", replicas[1].CAFile())
	assert.Contains(t, replicas[1].standardArgs(), "--tls-cert-file=/c/credentials/sandbox-apiserver-2/tls.crt")
	assert.Subset(t, slices.Collect(maps.Keys(cluster.LogPaths())), []string{"sandbox-apiserver", "sandbox-apiserver-3", sharedEtcd, balancer})
}

func TestEtcdMembers(t *testing.T) {
	s, err := newState(t.Context(), 2, 3)
	require.NoError(t, err)
	cluster := newServer(s).cluster
	members := cluster.EtcdMembers()
	require.Len(t, members, 3)
	different := map[string]bool{}
	for _, member := range members {
		assert.Contains(t, strings.Join(member.args(), " "), "--name="+member.Name())
		for _, own := range member.args()[:6] {
			assert.False(t, different[own], "%s is of one member", own)
			different[own] = true
		}
		assert.Equal(t, members[0].args()[6], member.args()[6], "all know all")
		assert.Equal(t, 2, strings.Count(member.args()[6], ","))
		for _, server := range cluster.Replicas() {
			assert.NotContains(t, server.etcdServers(), member.Endpoint(), "replicas reach etcd through their links only")
		}
	}
	for _, server := range cluster.Replicas() {
		assert.Len(t, server.etcdServers(), 3)
		require.Error(t, server.CutEtcd(), "nothing runs")
	}
}

func TestOpenAndRemove(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(dir)
	require.ErrorIs(t, err, ErrNoCluster)

	paths := layout{dir: dir}
	require.NoError(t, (&state{serverState: serverState{ServerPort: 1}}).write(paths.state()))
	otherTest := filepath.Join(dir, testsDir, "other")
	require.NoError(t, os.MkdirAll(otherTest, 0o755))
	cluster, err := Open(dir)
	require.NoError(t, err)
	assert.Empty(t, cluster.Processes())
	assert.Nil(t, cluster.RESTConfig())
	assert.ElementsMatch(t, components(), cluster.Missing(), "a server that was never started is not missing")

	require.NoError(t, cluster.Remove())
	assert.DirExists(t, otherTest, "clusters of tests are not ours")
	assert.NoFileExists(t, paths.state())
	require.NoError(t, os.Remove(otherTest))
	require.NoError(t, cluster.Remove())
	assert.NoDirExists(t, dir)
}

func TestPidsOfOthersAreNotOurs(t *testing.T) {
	paths := layout{dir: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Dir(paths.pidFile("x")), 0o755))
	require.NoError(t, os.WriteFile(paths.pidFile(componentEtcd), []byte(strconv.Itoa(os.Getpid())), 0o644))
	require.NoError(t, os.WriteFile(paths.pidFile(componentKwok), []byte("not a number"), 0o644))
	plane := controlPlane{paths: paths}
	assert.Empty(t, plane.running(), "this test is not an etcd")
	require.NoError(t, plane.end(t.Context()), "and is not killed for one")
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte("a\nb\nc\n"), 0o644))
	assert.Equal(t, "b\nc", tail(path, 2))
	assert.Equal(t, "a\nb\nc", tail(path, 20))
	assert.Contains(t, tail(path+".none", 2), "no such file")
}

// A client that is told only the path is shared by all clusters that were ever there.
func TestAdministratorHoldsWhatTheFilesSay(t *testing.T) {
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.crt")
	require.NoError(t, os.WriteFile(ca, []byte("an authority"), 0o600))
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters["c"] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:1", CertificateAuthority: ca}
	kubeconfig.Contexts["c"] = &clientcmdapi.Context{Cluster: "c"}
	kubeconfig.CurrentContext = "c"
	paths := layout{dir: dir}
	require.NoError(t, clientcmd.WriteToFile(*kubeconfig, paths.kubeconfig()))

	c := &Cluster{paths: paths}
	require.NoError(t, c.loadAdmin())
	assert.Equal(t, "an authority", string(c.RESTConfig().CAData))
}
