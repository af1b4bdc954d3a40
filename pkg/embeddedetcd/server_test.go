// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// deadline is for what takes well under a second on an idle machine.
const deadline = time.Minute

// childEnv makes the test binary a server on the directory it names; see TestMain.
const childEnv = "EMBEDDEDETCD_TEST_DATA_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		serveAndWrite(dir)
	}
	if description := os.Getenv(memberEnv); description != "" {
		serveMember(description)
	}
	os.Exit(m.Run())
}

// serveAndWrite runs a server and writes keys 1, 2, 3 … printing each once it
// is acknowledged, until somebody kills the process.
func serveAndWrite(dir string) {
	ctx := context.Background()
	s, err := New(Options{DataDir: dir})
	check(err)
	go func() { check(s.Run(ctx)) }()
	<-s.Ready()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{s.Endpoint()}})
	check(err)
	for i := 1; ; i++ {
		_, err := c.Put(ctx, "/n", strconv.Itoa(i))
		check(err)
		fmt.Println(i)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start runs a server on dir and returns a client and a function that stops both.
func start(t *testing.T, dir string) (*Server, *clientv3.Client, func()) {
	t.Helper()
	s, err := New(Options{DataDir: dir})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		require.NoError(t, err, "Run returned before it was ready")
	case <-time.After(deadline):
		require.Fail(t, "not ready in time")
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{s.Endpoint()}, DialTimeout: deadline})
	require.NoError(t, err)
	stop := func() {
		assert.NoError(t, client.Close())
		cancel()
		assert.NoError(t, <-done)
	}
	return s, client, stop
}

func get(t *testing.T, c *clientv3.Client, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	r, err := c.Get(ctx, key)
	require.NoError(t, err)
	require.Len(t, r.Kvs, 1)
	return string(r.Kvs[0].Value)
}

func TestDataSurvivesRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	_, client, stop := start(t, dir)
	_, err := client.Put(t.Context(), "/k", "v")
	require.NoError(t, err)
	stop()

	_, client, stop = start(t, dir)
	defer stop()
	assert.Equal(t, "v", get(t, client, "/k"))
}

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())

	acknowledged := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		acknowledged, err = strconv.Atoi(lines.Text())
		require.NoError(t, err)
		if acknowledged == 100 {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait(), "the child was killed")
	require.GreaterOrEqual(t, acknowledged, 100)

	_, client, stop := start(t, dir)
	defer stop()
	n, err := strconv.Atoi(get(t, client, "/n"))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, n, acknowledged)
	assert.LessOrEqual(t, n, acknowledged+1, "at most the write in flight")
}

func TestSecondServerIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	_, client, stop := start(t, dir)
	defer stop()

	second, err := New(Options{DataDir: dir})
	require.NoError(t, err)
	err = second.Run(t.Context())
	require.ErrorIs(t, err, ErrInUse)
	assert.ErrorContains(t, err, dir)

	_, err = client.Put(t.Context(), "/k", "v")
	assert.NoError(t, err, "the first one still serves")
}

func TestForeignEtcdIsNoticed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	_, _, stop := start(t, dir)
	stop()
	db, err := tryLock(filepath.Join(dir, "member", "snap", "db"), os.O_RDWR)
	require.NoError(t, err)
	defer db.Close()

	s, err := New(Options{DataDir: dir})
	require.NoError(t, err)
	assert.ErrorIs(t, s.Run(t.Context()), ErrInUse)
}

func TestStopBeforeReady(t *testing.T) {
	s, err := New(Options{DataDir: filepath.Join(t.TempDir(), "etcd")})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, s.Run(ctx))
}

func TestStopWithOpenWatch(t *testing.T) {
	_, client, stop := start(t, filepath.Join(t.TempDir(), "etcd"))
	watch := client.Watch(t.Context(), "/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-watch
	stop()
	for range watch {
		assert.Fail(t, "no event was due")
	}
}

func TestNoTCPPort(t *testing.T) {
	before := listeningSockets(t)
	_, _, stop := start(t, filepath.Join(t.TempDir(), "etcd"))
	defer stop()
	assert.Equal(t, before, listeningSockets(t))
}

// listeningSockets counts the TCP sockets this process listens on.
func listeningSockets(t *testing.T) int {
	t.Helper()
	const stateListen, inodeColumn, stateColumn = "0A", 9, 3
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		content, err := os.ReadFile(table)
		if err != nil {
			t.Skipf("no %s here: %v", table, err)
		}
		for _, line := range strings.Split(string(content), "\n") {
			if f := strings.Fields(line); len(f) > inodeColumn && f[stateColumn] == stateListen {
				inodes["socket:["+f[inodeColumn]+"]"] = true
			}
		}
	}
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	n := 0
	for _, f := range files {
		if target, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && inodes[target] {
			n++
		}
	}
	return n
}

func TestDirectoryIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	require.NoError(t, os.Mkdir(dir, 0o755))
	_, _, stop := start(t, dir)
	defer stop()
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, privateMode, info.Mode().Perm())
}

func TestLongDataDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 30), "with space")
	s, client, stop := start(t, dir)
	_, err := client.Put(t.Context(), "/k", "v")
	assert.NoError(t, err)
	assert.DirExists(t, s.sockets.path)
	stop()
	assert.NoDirExists(t, s.sockets.path)
}

func TestMetricsSocket(t *testing.T) {
	s, _, stop := start(t, filepath.Join(t.TempDir(), "etcd"))
	defer stop()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.MetricsSocket())
	}}
	defer transport.CloseIdleConnections()
	r, err := (&http.Client{Transport: transport}).Get("http://etcd/health")
	require.NoError(t, err)
	defer r.Body.Close()
	assert.Equal(t, http.StatusOK, r.StatusCode)
}

func TestQuota(t *testing.T) {
	s, err := New(Options{DataDir: t.TempDir()})
	require.NoError(t, err)
	assert.EqualValues(t, 8<<30, s.config().QuotaBackendBytes)
	assert.False(t, s.config().UnsafeNoFsync)
}
