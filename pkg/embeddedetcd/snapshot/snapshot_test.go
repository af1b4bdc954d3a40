// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd"
)

const deadline = time.Minute

// start runs an embedded etcd on dir until the function that it returns is called.
func start(t *testing.T, dir string) (source Source, client *clientv3.Client, stop func()) {
	t.Helper()
	server, err := embeddedetcd.New(embeddedetcd.Options{DataDir: dir})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	select {
	case <-server.Ready():
	case err := <-done:
		require.NoError(t, err, "it ended before it was ready")
	case <-time.After(deadline):
		require.Fail(t, "not ready in time")
	}
	client, err = clientv3.New(clientv3.Config{Endpoints: []string{server.Endpoint()}, Logger: zap.NewNop()})
	require.NoError(t, err)
	return Source{Endpoints: []string{server.Endpoint()}}, client, func() {
		assert.NoError(t, client.Close())
		cancel()
		assert.NoError(t, <-done)
	}
}

func TestRoundTrip(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "backup.db")
	source, client, stop := start(t, filepath.Join(dir, "before"))
	put, err := client.Put(t.Context(), "/a", "old")
	require.NoError(t, err)
	status, err := Save(t.Context(), source, file)
	require.NoError(t, err)
	assert.Equal(t, put.Header.Revision, status.Revision)
	assert.Equal(t, 1, status.TotalKey)
	later, err := client.Put(t.Context(), "/a", "lost by the restore")
	require.NoError(t, err)

	_, err = Save(t.Context(), source, file)
	require.ErrorContains(t, err, "exists")
	var stream bytes.Buffer
	require.NoError(t, Stream(t.Context(), source, &stream))
	_, err = Restore(&stream, Target{DataDir: filepath.Join(dir, "before")})
	require.ErrorIs(t, err, embeddedetcd.ErrInUse)
	stop()

	content, err := os.ReadFile(file)
	require.NoError(t, err)
	_, err = Restore(bytes.NewReader(content), Target{DataDir: filepath.Join(dir, "before")})
	require.ErrorContains(t, err, "is not empty")
	_, err = Restore(bytes.NewReader(content), Target{DataDir: filepath.Join(dir, "after")})
	require.NoError(t, err)
	left, err := filepath.Glob(filepath.Join(dir, "after", restoringPrefix+"*"))
	require.NoError(t, err)
	assert.Empty(t, left)

	_, client, stop = start(t, filepath.Join(dir, "after"))
	defer stop()
	got, err := client.Get(t.Context(), "/a")
	require.NoError(t, err)
	assert.Equal(t, "old", string(got.Kvs[0].Value))
	require.Greater(t, got.Header.Revision, later.Header.Revision+revisionBump/2, "clients never see a revision twice")
	_, err = client.Get(t.Context(), "/a", clientv3.WithRev(later.Header.Revision))
	assert.ErrorIs(t, err, rpctypes.ErrCompacted)
	for r := range client.Watch(t.Context(), "/", clientv3.WithPrefix(), clientv3.WithRev(later.Header.Revision)) {
		assert.ErrorIs(t, r.Err(), rpctypes.ErrCompacted, "a watch of the past is told to begin anew")
	}
}

func TestDamageIsFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "backup.db")
	source, client, stop := start(t, filepath.Join(t.TempDir(), "etcd"))
	defer stop()
	_, err := client.Put(t.Context(), "/a", "v")
	require.NoError(t, err)
	_, err = Save(t.Context(), source, file)
	require.NoError(t, err)
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	flipped := bytes.Clone(good)
	flipped[len(good)/2] ^= 1

	for name, content := range map[string][]byte{
		"flipped bit": flipped, "cut": good[:len(good)-4096], "cut in the checksum": good[:len(good)-1], "empty": {}, "no snapshot": []byte("hello"),
	} {
		damaged, dir := filepath.Join(t.TempDir(), "damaged.db"), filepath.Join(t.TempDir(), "etcd")
		require.NoError(t, os.WriteFile(damaged, content, 0o600))
		_, err := Read(damaged)
		require.ErrorContains(t, err, "snapshot of etcd", name)
		_, err = Restore(bytes.NewReader(content), Target{DataDir: dir})
		require.ErrorContains(t, err, "snapshot of etcd", name)
		assert.False(t, embeddedetcd.HasData(dir))
		assert.NoDirExists(t, filepath.Join(dir, "member"))
	}
}

// failing accepts a little and then breaks, as a full disk does.
type failing struct{ left int }

var errFull = errors.New("no space left")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestNothingIsLeftOfAFailure(t *testing.T) {
	source, client, stop := start(t, filepath.Join(t.TempDir(), "etcd"))
	_, err := client.Put(t.Context(), "/a", "v")
	require.NoError(t, err)
	require.ErrorIs(t, Stream(t.Context(), source, &failing{left: 4096}), errFull)
	stop()

	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = Save(ctx, source, filepath.Join(dir, "backup.db"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
	require.Error(t, Stream(t.Context(), Source{}, &failing{}))
}

func TestInterruptedRestoreIsNoObstacle(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, restoringPrefix+"1"), 0o700))
	require.NoError(t, makeRoom(dir))
	assert.NoDirExists(t, filepath.Join(dir, restoringPrefix+"1"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), nil, 0o600))
	assert.ErrorContains(t, makeRoom(dir), `"other"`)
}

func TestStoredAs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "backup.db")
	source, client, stop := start(t, filepath.Join(t.TempDir(), "etcd"))
	defer stop()
	for _, kv := range [][2]string{
		{"/r/a", "plain before"}, {"/r/a", "k8s:enc:secretbox:v1:key1:\x00:\x01"}, {"/r/b", "k8s:enc:secretbox:v1:key2:x"},
		{"/r/c", "k8s:enc:broken"}, {"/r/gone", "plain"}, {"/other", "plain"},
	} {
		_, err := client.Put(t.Context(), kv[0], kv[1])
		require.NoError(t, err)
	}
	_, err := client.Delete(t.Context(), "/r/gone")
	require.NoError(t, err)
	_, err = Save(t.Context(), source, file)
	require.NoError(t, err)
	counts, err := StoredAs(file, "/r/")
	require.NoError(t, err)
	assert.Equal(t, map[string]int{"k8s:enc:secretbox:v1:key1": 1, "k8s:enc:secretbox:v1:key2": 1, Plain: 1}, counts)
}
