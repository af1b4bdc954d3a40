// SPDX-License-Identifier: Apache-2.0

package etcdcerts

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"agents.x-k8s.io/sandbox-apiserver/pkg/authority"
)

// TestRotationEndsTheProcess: work runs with a certificate, and ends in its turn once there
// is another authority to trust.
func TestRotationEndsTheProcess(t *testing.T) {
	client, dir := fake.NewClientset(), t.TempDir()
	turns := 0
	k, err := New(Options{
		Client: client, Namespace: "ns", Directory: dir,
		Request: authority.Request{CommonName: "me", Usages: authority.Client},
		Turn:    func(context.Context) { turns++ },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = k.Around(ctx, func(ctx context.Context) error {
		leaf, signer := certificate(t, dir, "tls.crt"), certificate(t, dir, "ca.crt")
		assert.NoError(t, leaf.CheckSignatureFrom(signer))
		assert.Greater(t, time.Until(signer.NotAfter), 9*365*day, "a rotation restarts everything: it should be rare")
		assert.Greater(t, time.Until(leaf.NotAfter), 20*day)
		assert.FileExists(t, filepath.Join(dir, "tls.key"))
		assert.Equal(t, 0, turns)

		patch := `{"metadata": {"resourceVersion": "1", "annotations": {"sandbox.agents.x-k8s.io/rotate": "now"}}}`
		_, err := client.CoreV1().Secrets("ns").Patch(ctx, Secret, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		require.NoError(t, err)
		<-ctx.Done()
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, ctx.Err(), "it was the rotation that ended the work")
	assert.Equal(t, 1, turns)
}

func TestNothingRunsWithoutACertificate(t *testing.T) {
	k, err := New(Options{Client: fake.NewClientset(), Namespace: "ns", Directory: filepath.Join(t.TempDir(), "file", "below")})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Dir(filepath.Dir(k.files.CAFile())), nil, 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err = k.Around(ctx, func(context.Context) error {
		assert.Fail(t, "there is no certificate")
		return nil
	})
	assert.ErrorContains(t, err, "waiting for the certificates of etcd")
	assert.ErrorContains(t, err, "directory of certificates", "the reason is told")
}

func certificate(t *testing.T, dir, file string) *x509.Certificate {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, file))
	require.NoError(t, err)
	block, _ := pem.Decode(content)
	require.NotNil(t, block)
	parsed, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return parsed
}
