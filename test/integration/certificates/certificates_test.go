// SPDX-License-Identifier: Apache-2.0

package certificates

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

var apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}

const (
	serviceName = local.ServiceAccount + "." + local.SystemNamespace + ".svc"
	rotate      = "sandbox.agents.x-k8s.io/rotate"
	generation  = "sandbox.agents.x-k8s.io/reconnect-generation"
)

func secret(t *testing.T) *corev1.Secret {
	t.Helper()
	found, err := env.Kube.CoreV1().Secrets(local.SystemNamespace).Get(t.Context(), local.AuthoritySecret, metav1.GetOptions{})
	require.NoError(t, err)
	return found
}

func apiService(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	found, err := env.Dynamic.Resource(apiServices).Get(t.Context(), local.APIServiceName, metav1.GetOptions{})
	require.NoError(t, err)
	return found
}

// bundle is what kube-apiserver trusts.
func bundle(t *testing.T) []byte {
	t.Helper()
	text, _, err := unstructured.NestedString(apiService(t).Object, "spec", "caBundle")
	require.NoError(t, err)
	raw, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	return raw
}

func authorities(bundle []byte) int { return bytes.Count(bundle, []byte("BEGIN CERTIFICATE")) }

// served is the certificate that a replica shows, verified with what kube-apiserver trusts.
func served(replica *local.Server, bundle []byte) (*x509.Certificate, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	connection, err := tls.Dial("tcp", replica.Address(), &tls.Config{RootCAs: roots, ServerName: serviceName})
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	return connection.ConnectionState().PeerCertificates[0], nil
}

// allServed checks that every replica shows a certificate that the signer of the Secret has signed.
func allServed(t *testing.T) error {
	t.Helper()
	block, _ := pem.Decode(secret(t).Data[corev1.TLSCertKey])
	signer, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	var errs []error
	for _, replica := range env.Cluster.Replicas() {
		certificate, err := served(replica, bundle(t))
		if err == nil {
			err = certificate.CheckSignatureFrom(signer)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func annotate(t *testing.T, key, value string) {
	t.Helper()
	_, err := env.Cluster.Kubectl(t.Context(), "", "annotate", "secret", local.AuthoritySecret, "--namespace", local.SystemNamespace, "--overwrite", key+"="+value)
	require.NoError(t, err)
}

// TestServersAgree: TestMain has started both at once on an empty namespace.
func TestServersAgree(t *testing.T) {
	stored := secret(t)
	assert.Equal(t, 1, authorities(stored.Data["ca.crt"]))
	assert.Equal(t, string(stored.Data["ca.crt"]), string(bundle(t)))
	require.NoError(t, allServed(t))
	owners := []string{}
	for _, entry := range apiService(t).GetManagedFields() {
		if strings.Contains(string(entry.FieldsV1.GetRawBytes()), "f:caBundle") {
			owners = append(owners, entry.Manager+" "+string(entry.Operation))
		}
	}
	assert.Equal(t, []string{"sandbox-apiserver-certificate Apply"}, owners)
}

func TestLeavesAreRenewed(t *testing.T) {
	first, err := served(env.Cluster.Server, bundle(t))
	require.NoError(t, err)
	underLoad(t, func() {
		harness.Eventually(t, "the certificate was renewed", func() error {
			now, err := served(env.Cluster.Server, bundle(t))
			if err == nil && now.Equal(first) {
				return errors.New("it is the same")
			}
			return err
		})
	})
}

func TestRotationUnderLoad(t *testing.T) {
	for round := range 2 {
		before := secret(t).Data[corev1.TLSCertKey]
		underLoad(t, func() {
			annotate(t, rotate, strconv.Itoa(round))
			harness.Eventually(t, "both are trusted", func() error {
				if published := bundle(t); authorities(published) != 2 || !bytes.Contains(published, before) {
					return fmt.Errorf("%d authorities", authorities(published))
				}
				return nil
			})
			harness.Eventually(t, "only the next one is trusted", func() error {
				if bytes.Contains(bundle(t), before) {
					return errors.New("the old one is")
				}
				return allServed(t)
			})
		})
		assert.NotEqual(t, before, secret(t).Data[corev1.TLSCertKey])
	}
}

// TestNewConnectionsUnderLoad raises the generation from where it is: replicas raise it
// as well, and kube-apiserver keeps the transport of every bundle that it has seen.
func TestNewConnectionsUnderLoad(t *testing.T) {
	const times = 5
	underLoad(t, func() {
		for range times {
			before, next := transports(t), published(t)+1
			annotate(t, generation, strconv.Itoa(next))
			harness.Eventually(t, "the generation is published", func() error {
				if now := published(t); now < next {
					return fmt.Errorf("%d is, %d is not yet", now, next)
				}
				return nil
			})
			harness.Eventually(t, "kube-apiserver has made a transport", func() error {
				if transports(t) == before {
					return errors.New("none")
				}
				return nil
			})
		}
	})
	require.NoError(t, allServed(t))
}

// published is the generation in the bundle, 0 before the first.
func published(t *testing.T) int {
	t.Helper()
	comment, _, _ := strings.Cut(string(bundle(t)), "\n")
	number, found := strings.CutPrefix(comment, "# reconnect generation ")
	if !found {
		return 0
	}
	value, err := strconv.Atoi(number)
	require.NoError(t, err)
	return value
}

// transports is how many kube-apiserver has made.
func transports(t *testing.T) int {
	t.Helper()
	raw, err := env.Kube.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	require.NoError(t, err)
	total := 0
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "rest_client_transport_create_calls_total{") && strings.Contains(line, "miss") {
			count, err := strconv.ParseFloat(strings.Fields(line)[1], 64)
			require.NoError(t, err)
			total += int(count)
		}
	}
	return total
}

func TestWipedBundleComesBack(t *testing.T) {
	want := bundle(t)
	for name, patch := range map[string]string{
		"wiped":       `{"spec":{"caBundle":null}}`,
		"overwritten": `{"spec":{"caBundle":"` + base64.StdEncoding.EncodeToString([]byte("garbage")) + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := env.Dynamic.Resource(apiServices).Patch(t.Context(), local.APIServiceName, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
			require.NoError(t, err)
			harness.Eventually(t, "it is back", func() error {
				if !bytes.Equal(want, bundle(t)) {
					return errors.New("it is not")
				}
				return nil
			})
			require.NoError(t, env.Cluster.Server.WaitAvailable(t.Context()))
		})
	}
}

func TestDeletedAuthorityIsMadeAnew(t *testing.T) {
	before := secret(t).Data[corev1.TLSCertKey]
	require.NoError(t, env.Kube.CoreV1().Secrets(local.SystemNamespace).Delete(t.Context(), local.AuthoritySecret, metav1.DeleteOptions{}))
	harness.Eventually(t, "there is another", func() error {
		if bytes.Contains(bundle(t), before) {
			return errors.New("the old one is published")
		}
		return nil
	})
	harness.Eventually(t, "all serve with it", func() error { return allServed(t) })
	for _, replica := range env.Cluster.Replicas() {
		require.NoError(t, replica.WaitAvailable(t.Context()))
	}
}
