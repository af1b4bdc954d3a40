// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFilesStayFreshAndFit(t *testing.T) {
	client := cluster(t)
	a := start(t, options(client))
	run(t, a)
	var bundles atomic.Int32
	files := NewFiles(a, FilesOptions{
		Directory:     filepath.Join(t.TempDir(), "certificates"),
		Request:       Request{CommonName: "member", DNSNames: []string{"server"}, Usages: ServerAndClient},
		BundleChanged: func() { bundles.Add(1) },
	})
	require.NoError(t, files.Write())
	first, err := tls.LoadX509KeyPair(files.CertFile(), files.KeyFile())
	require.NoError(t, err)
	info, err := os.Stat(files.KeyFile())
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, files.Run(ctx)) })
	t.Cleanup(func() { cancel(); running.Wait() })

	// A reader finds a pair that fits and is trusted, whenever it looks, through renewals and a rotation.
	annotate(t, client, "example.com/rotate", "1")
	signer := a.current.Load().signer.certificate
	require.Eventually(t, func() bool {
		pair, err := tls.LoadX509KeyPair(files.CertFile(), files.KeyFile())
		require.NoError(t, err)
		bundle, err := os.ReadFile(files.CAFile())
		require.NoError(t, err)
		require.NotEmpty(t, bundle)
		now := a.current.Load()
		return !now.signer.certificate.Equal(signer) && now.previous == nil && now.next == nil &&
			pair.Leaf.CheckSignatureFrom(now.signer.certificate) == nil && string(bundle) == string(now.certificates())
	}, 20*time.Second, 5*time.Millisecond)
	assert.Positive(t, bundles.Load())
	last, err := tls.LoadX509KeyPair(files.CertFile(), files.KeyFile())
	require.NoError(t, err)
	assert.Equal(t, first.PrivateKey, last.PrivateKey)
	assert.NotEqual(t, first.Leaf.SerialNumber, last.Leaf.SerialNumber)
}

func TestFilesSayWhatIsWrong(t *testing.T) {
	a, err := New(options(cluster(t)))
	require.NoError(t, err)
	files := NewFiles(a, FilesOptions{Directory: t.TempDir()})
	require.ErrorContains(t, files.Write(), "not been read")
	require.NoError(t, a.Ensure(t.Context()))
	require.NoError(t, os.WriteFile(files.KeyFile(), []byte("garbage"), 0o600))
	require.ErrorContains(t, files.Write(), files.KeyFile())
}
