// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChooseSocketDir(t *testing.T) {
	long := "/" + strings.Repeat("d", maxSocketPath)
	for name, tc := range map[string]struct {
		dataDir, tempDir string
		wantPrefix       string
		wantErr          string
	}{
		"short":             {dataDir: "/var/lib/etcd", tempDir: "/tmp", wantPrefix: "/var/lib/etcd"},
		"long":              {dataDir: long, tempDir: "/tmp", wantPrefix: "/tmp/etcd-"},
		"not plain":         {dataDir: "/var/my data", tempDir: "/tmp", wantPrefix: "/tmp/etcd-"},
		"percent":           {dataDir: "/var/%41", tempDir: "/tmp", wantPrefix: "/tmp/etcd-"},
		"long and long tmp": {dataDir: long, tempDir: long, wantErr: "use a shorter data directory"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := chooseSocketDir(tc.dataDir, tc.tempDir)
			if tc.wantErr != "" {
				require.ErrorContains(t, err, tc.wantErr)
				return
			}
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(d.path, tc.wantPrefix), d.path)
			assert.LessOrEqual(t, len(d.client()), maxSocketPath)
			again, err := chooseSocketDir(tc.dataDir, tc.tempDir)
			require.NoError(t, err)
			assert.Equal(t, d, again)
		})
	}
}

func TestSocketDirOfAnotherKindIsRefused(t *testing.T) {
	target := t.TempDir()
	path := filepath.Join(t.TempDir(), "etcd-x")
	require.NoError(t, os.Symlink(target, path))
	d := socketDir{path: path, temporary: true}
	assert.ErrorContains(t, d.create(), "must be a directory of this user")

	path = filepath.Join(t.TempDir(), "etcd-y")
	require.NoError(t, os.Mkdir(path, 0o755))
	d = socketDir{path: path, temporary: true}
	assert.ErrorContains(t, d.create(), "must be a directory of this user")
}

func TestNewNeedsADirectory(t *testing.T) {
	_, err := New(Options{})
	assert.ErrorContains(t, err, "empty")
}
