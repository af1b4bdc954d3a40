// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/ports"
)

// memberEnv makes the test binary the member that its JSON describes; see TestMain.
const memberEnv = "EMBEDDEDETCD_TEST_MEMBER"

const peerName = "sandbox-etcd.test.svc"

func serveMember(description string) {
	var o MemberOptions
	check(json.Unmarshal([]byte(description), &o))
	m, err := NewMember(o)
	check(err)
	check(m.Run(context.Background()))
	os.Exit(0)
}

// trio is an etcd of three processes.
type trio struct {
	t         *testing.T
	authority *testAuthority
	options   []MemberOptions
	processes []*exec.Cmd
}

func newTrio(t *testing.T) *trio {
	t.Helper()
	tr := &trio{t: t, authority: newTestAuthority(t), processes: make([]*exec.Cmd, 3)}
	free, err := ports.Free(t.Context(), 9)
	require.NoError(t, err)
	var peers []string
	certificates := tr.authority.issue(t, peerName, "127.0.0.1")
	for i := range 3 {
		name, mine := fmt.Sprintf("etcd-%d", i), free[3*i:3*i+3]
		peers = append(peers, fmt.Sprintf("%s=https://127.0.0.1:%d", name, mine[0]))
		tr.options = append(tr.options, MemberOptions{
			Name: name, DataDir: filepath.Join(t.TempDir(), name), Token: t.Name(), Certificates: certificates,
			Listen: Listen{Address: "127.0.0.1", Peer: mine[0], Client: mine[1], Health: mine[2]},
		})
	}
	for i := range tr.options {
		tr.options[i].Peers = strings.Join(peers, ",")
	}
	t.Cleanup(func() {
		for i := range tr.processes {
			tr.kill(i)
		}
	})
	return tr
}

func (tr *trio) start(i int) {
	tr.t.Helper()
	description, err := json.Marshal(tr.options[i])
	require.NoError(tr.t, err)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), memberEnv+"="+string(description))
	child.Stdout, child.Stderr = os.Stderr, os.Stderr
	require.NoError(tr.t, child.Start())
	tr.processes[i] = child
}

// kill is kill -9.
func (tr *trio) kill(i int) {
	if child := tr.processes[i]; child != nil {
		_ = child.Process.Kill()
		_ = child.Wait()
		tr.processes[i] = nil
	}
}

func (tr *trio) endpoint(i int) string {
	return "https://" + tr.options[i].Listen.hostPort(tr.options[i].Listen.Client)
}

// health asks without any certificate, as a kubelet does.
func (tr *trio) health(i int, path string) error {
	response, err := http.Get("http://" + tr.options[i].Listen.hostPort(tr.options[i].Listen.Health) + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%s: %s %s", path, response.Status, body)
	}
	return nil
}

func (tr *trio) waitReady(members ...int) {
	tr.t.Helper()
	for _, i := range members {
		require.EventuallyWithT(tr.t, func(c *assert.CollectT) { require.NoError(c, tr.health(i, "/readyz")) }, deadline, 50*time.Millisecond, "member %d", i)
	}
}

func (tr *trio) client(members ...int) *clientv3.Client {
	tr.t.Helper()
	var urls []string
	for _, i := range members {
		urls = append(urls, tr.endpoint(i))
	}
	info := tr.authority.issue(tr.t, "a-client").client()
	config, err := info.ClientConfig()
	require.NoError(tr.t, err)
	client, err := clientv3.New(clientv3.Config{Endpoints: urls, TLS: config, Logger: zap.NewNop()})
	require.NoError(tr.t, err)
	tr.t.Cleanup(func() { _ = client.Close() })
	return client
}

// leader is the index of the leading member.
func (tr *trio) leader(c *clientv3.Client) int {
	tr.t.Helper()
	ctx, cancel := context.WithTimeout(tr.t.Context(), deadline)
	defer cancel()
	status, err := c.Status(ctx, tr.endpoint(0))
	require.NoError(tr.t, err)
	list, err := c.MemberList(ctx)
	require.NoError(tr.t, err)
	for _, m := range list.Members {
		if m.ID == status.Leader {
			i, err := strconv.Atoi(strings.TrimPrefix(m.Name, "etcd-"))
			require.NoError(tr.t, err)
			return i
		}
	}
	require.Fail(tr.t, "no leader")
	return -1
}

// memberIDs waits until every member has a vote: the one that is asked may hear of a
// promotion a moment later.
func (tr *trio) memberIDs(c *clientv3.Client) map[string]uint64 {
	tr.t.Helper()
	ids := map[string]uint64{}
	require.Eventually(tr.t, func() bool {
		ctx, cancel := context.WithTimeout(tr.t.Context(), 2*time.Second)
		defer cancel()
		list, err := c.MemberList(ctx)
		if err != nil {
			return false
		}
		clear(ids)
		for _, m := range list.Members {
			if !m.IsLearner {
				ids[m.Name] = m.ID
			}
		}
		return len(ids) == len(list.Members)
	}, deadline, 50*time.Millisecond, "every member has a vote")
	return ids
}

// TestThreeMembers is one story, so that the cluster is formed once.
func TestThreeMembers(t *testing.T) {
	tr := newTrio(t)
	tr.start(0)
	tr.start(1)
	require.Eventually(t, func() bool { return tr.health(0, "/livez") == nil }, deadline, 50*time.Millisecond)
	require.ErrorContains(t, tr.health(0, "/readyz"), "waits for the others")
	require.NoDirExists(t, filepath.Join(tr.options[0].DataDir, "member"), "two of three do not found a cluster")
	tr.start(2)
	tr.waitReady(0, 1, 2)

	c := tr.client(0, 1, 2)
	t.Run("strangers", func(t *testing.T) { strangersAreRefused(t, tr) })
	t.Run("kill the leader", func(t *testing.T) { killLeader(t, tr, c) })
	t.Run("a second of one name", func(t *testing.T) { secondOfOneName(t, tr, c) })
	t.Run("lost disk", func(t *testing.T) { lostDisk(t, tr, c) })
	t.Run("two lost disks", func(t *testing.T) { twoLostDisks(t, tr) })
}

func killLeader(t *testing.T, tr *trio, c *clientv3.Client) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	var acknowledged []string
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			key := fmt.Sprintf("/written/%d", i)
			one, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			if _, err := c.Put(one, key, "v"); err == nil {
				acknowledged = append(acknowledged, key)
			}
			cancel()
		}
	})
	leader := tr.leader(c)
	revision := func() int64 {
		r, err := c.Get(t.Context(), "/")
		require.NoError(t, err)
		return r.Header.Revision
	}
	before := revision()
	tr.kill(leader)
	begin := time.Now()
	require.Eventually(t, func() bool { return revision() > before+20 }, deadline, 50*time.Millisecond, "writes go on")
	t.Logf("20 writes were acknowledged %v after the leader was killed", time.Since(begin).Round(time.Millisecond))
	tr.start(leader)
	tr.waitReady(leader)
	stop()
	writer.Wait()

	found, err := tr.client(leader).Get(t.Context(), "/written/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	require.NoError(t, err)
	stored := map[string]bool{}
	for _, kv := range found.Kvs {
		stored[string(kv.Key)] = true
	}
	for _, key := range acknowledged {
		require.True(t, stored[key], "%s was acknowledged and is lost", key)
	}
	require.Greater(t, len(acknowledged), 20)
}

// put tries until there is a leader that acknowledges.
func put(t *testing.T, c *clientv3.Client, key, value string) {
	t.Helper()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := c.Put(ctx, key, value)
		return err == nil
	}, deadline, 50*time.Millisecond)
}

// secondOfOneName starts a process without data that calls itself like a member that runs.
func secondOfOneName(t *testing.T, tr *trio, c *clientv3.Client) {
	t.Helper()
	before := tr.memberIDs(c)
	second := tr.options[1]
	free, err := ports.Free(t.Context(), 3)
	require.NoError(t, err)
	second.DataDir = filepath.Join(t.TempDir(), "second")
	second.Listen = Listen{Address: "127.0.0.1", Peer: free[0], Client: free[1], Health: free[2]}
	m, err := NewMember(second)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	require.ErrorContains(t, m.Run(ctx), `"etcd-1"`)
	require.NoError(t, ctx.Err(), "it ends by itself")
	assert.False(t, HasData(second.DataDir))
	assert.Equal(t, before, tr.memberIDs(c), "nobody was removed or added")
	put(t, tr.client(1), "/second", "refused")
}

func lostDisk(t *testing.T, tr *trio, c *clientv3.Client) {
	t.Helper()
	before := tr.memberIDs(c)
	tr.kill(1)
	require.NoError(t, os.RemoveAll(tr.options[1].DataDir))
	put(t, c, "/while", "gone")
	tr.start(1)
	tr.waitReady(1)
	after := tr.memberIDs(c)
	require.Len(t, after, 3)
	assert.NotEqual(t, before["etcd-1"], after["etcd-1"], "it is a new member")
	assert.Equal(t, "gone", get(t, tr.client(1), "/while"))

	// It counts: with it another one may fail.
	tr.kill(0)
	put(t, c, "/while", "back")
	tr.start(0)
	tr.waitReady(0)
}

// twoLostDisks leaves one member with the data. The empty ones could elect each other
// and begin anew; they must not.
func twoLostDisks(t *testing.T, tr *trio) {
	t.Helper()
	for i := range 3 {
		tr.kill(i)
	}
	for _, i := range []int{1, 2} {
		require.NoError(t, os.RemoveAll(tr.options[i].DataDir))
		tr.start(i)
	}
	for _, i := range []int{1, 2} {
		require.Eventually(t, func() bool { return tr.health(i, "/livez") == nil }, deadline, 50*time.Millisecond)
	}
	stay := func() {
		for _, i := range []int{1, 2} {
			require.ErrorContains(t, tr.health(i, "/readyz"), "waits")
			require.NoDirExists(t, filepath.Join(tr.options[i].DataDir, "member"))
		}
	}
	require.Never(t, func() bool { stay(); return false }, 3*askInterval, askInterval/4)
	tr.start(0)
	require.Eventually(t, func() bool { return tr.health(0, "/livez") == nil }, deadline, 50*time.Millisecond)
	require.Never(t, func() bool { stay(); return false }, 3*askInterval, askInterval/4)
	assert.True(t, HasData(tr.options[0].DataDir), "what is left stays for the administrator")
}

func strangersAreRefused(t *testing.T, tr *trio) {
	t.Helper()
	other := newTestAuthority(t)
	listen := tr.options[0].Listen
	client, stranger := tr.authority.issue(t, "a-client"), other.issue(t, peerName)
	stranger.Authority = client.Authority
	anonymous := Certificates{Authority: client.Authority}

	assert.NoError(t, handshake(t, listen.hostPort(listen.Client), client))
	assert.NoError(t, handshake(t, listen.hostPort(listen.Peer), tr.options[1].Certificates))
	assert.ErrorContains(t, handshake(t, listen.hostPort(listen.Peer), client), "bad certificate", "a client is no peer")
	for _, port := range []int{listen.Client, listen.Peer} {
		assert.ErrorContains(t, handshake(t, listen.hostPort(port), stranger), "remote error: tls: ", "a certificate of another authority")
		assert.ErrorContains(t, handshake(t, listen.hostPort(port), anonymous), "certificate required", "none")
	}
	// And the other way: who is not certified by our authority is not talked to.
	deceived := client
	deceived.Authority = other.file
	assert.ErrorContains(t, handshake(t, listen.hostPort(listen.Client), deceived), "unknown authority")
}

// handshake returns why one of the two sides does not want the other. With TLS 1.3 the
// server says so after the handshake; one that says nothing is content.
func handshake(t *testing.T, address string, c Certificates) error {
	t.Helper()
	info := c.client()
	config, err := info.ClientConfig()
	require.NoError(t, err)
	config.ServerName, config.NextProtos = "127.0.0.1", []string{"h2"}
	connection, err := tls.Dial("tcp", address, config)
	if err != nil {
		return err
	}
	defer connection.Close()
	require.NoError(t, connection.SetReadDeadline(time.Now().Add(2*time.Second)))
	if _, err = connection.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
