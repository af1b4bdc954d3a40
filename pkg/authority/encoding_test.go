// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"crypto/x509"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
)

var testAnnotations = annotationsOf("example.com")

func encoded(t *testing.T, s *state) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	require.NoError(t, testAnnotations.encode(s, secret))
	return secret
}

func made(t *testing.T) *state {
	t.Helper()
	s, err := maker{commonName: "test", lifetime: 100 * time.Hour}.first(noon)
	require.NoError(t, err)
	return s
}

func TestEncodingIsReadBack(t *testing.T) {
	m := maker{commonName: "test", lifetime: 100 * time.Hour, leaves: time.Hour}
	stable := made(t)
	begun, err := m.apply(stable, begin, noon)
	require.NoError(t, err)
	marked, err := m.apply(begun, mark, noon.Add(time.Millisecond))
	require.NoError(t, err)
	promoted, err := m.apply(marked, promote, noon)
	require.NoError(t, err)
	retired, err := m.apply(promoted, retire, noon)
	require.NoError(t, err)
	raised := *retired
	raised.reconnects = 7
	for name, want := range map[string]*state{
		"stable": stable, "begun": begun, "marked": marked, "promoted": promoted, "retired": retired, "raised": &raised,
	} {
		t.Run(name, func(t *testing.T) {
			secret := encoded(t, want)
			got, err := testAnnotations.decode(secret)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			assert.Equal(t, string(want.certificates()), string(secret.Data["ca.crt"]))
		})
	}
}

func TestEncodeLeavesTheRestAlone(t *testing.T) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"other": "1", "example.com/rotate": "x", "example.com/retire-at": "gone"}},
		Data:       map[string][]byte{"notes": []byte("n"), nextCert: []byte("gone")},
	}
	require.NoError(t, testAnnotations.encode(made(t), secret))
	assert.Equal(t, map[string]string{"other": "1", "example.com/rotate": "x"}, secret.Annotations)
	assert.Contains(t, secret.Data, "notes")
	assert.NotContains(t, secret.Data, nextCert)
}

func TestGarbageIsNamed(t *testing.T) {
	other := encoded(t, made(t))
	leaf, err := issue(Request{CommonName: "leaf"}, made(t).signer, noon, noon.Add(time.Hour))
	require.NoError(t, err)
	for name, test := range map[string]struct {
		spoil func(*corev1.Secret)
		want  string
	}{
		"nothing":            {func(s *corev1.Secret) { s.Data = nil }, "data tls.crt: no certificate"},
		"no certificate":     {func(s *corev1.Secret) { s.Data[signerCert] = []byte("garbage") }, "data tls.crt: no certificate"},
		"a broken one":       {func(s *corev1.Secret) { s.Data[signerCert] = s.Data[signerKey] }, "data tls.crt: no certificate"},
		"no key":             {func(s *corev1.Secret) { delete(s.Data, signerKey) }, "data tls.crt with tls.key"},
		"another key":        {func(s *corev1.Secret) { s.Data[signerKey] = other.Data[signerKey] }, "data tls.crt with tls.key"},
		"a leaf":             {func(s *corev1.Secret) { s.Data[signerCert], s.Data[signerKey] = leaf.Certificate, leaf.Key }, "not that of an authority"},
		"two certificates":   {func(s *corev1.Secret) { s.Data[signerCert] = append(s.Data[signerCert], other.Data[signerCert]...) }, "more than one"},
		"next without a key": {func(s *corev1.Secret) { s.Data[nextCert] = other.Data[signerCert] }, "data next.crt with next.key"},
		"previous":           {func(s *corev1.Secret) { s.Data[previousCert] = []byte("garbage") }, "data previous.crt"},
		"a time":             {func(s *corev1.Secret) { s.Annotations["example.com/retire-at"] = "soon" }, "annotation example.com/retire-at"},
		"a number":           {func(s *corev1.Secret) { s.Annotations["example.com/reconnect-generation"] = "many" }, "annotation example.com/reconnect"},
	} {
		t.Run(name, func(t *testing.T) {
			secret := encoded(t, made(t))
			secret.Annotations, secret.Data = maps.Clone(secret.Annotations), maps.Clone(secret.Data)
			test.spoil(secret)
			_, err := testAnnotations.decode(secret)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// TestReconnectGenerationIsNoCertificate: what kube-apiserver's aggregator and client-go do with a bundle must not notice the comment.
func TestReconnectGenerationIsNoCertificate(t *testing.T) {
	s := made(t)
	before := s.bundle()
	s.reconnects = 3
	bundle := s.bundle()
	assert.True(t, strings.HasPrefix(string(bundle), "# reconnect generation 3\n-----BEGIN"))
	assert.NotEqual(t, before, bundle)
	parsed, err := cert.ParseCertsPEM(bundle)
	require.NoError(t, err)
	assert.Len(t, parsed, 1)
	assert.True(t, x509.NewCertPool().AppendCertsFromPEM(bundle))
}
