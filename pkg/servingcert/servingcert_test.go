// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

const apiServiceName = "v1.example.com"

// cluster has one APIService. Unlike the fake it refuses an apply on another version.
type cluster struct {
	kube    *fake.Clientset
	objects *dynamicfake.FakeDynamicClient
	applied int
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{kube: fake.NewClientset()}
	c.kube.PrependReactor("create", "secrets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		action.(clienttesting.CreateAction).GetObject().(*corev1.Secret).ResourceVersion = "1"
		return false, nil, nil
	})
	service := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
		"metadata": map[string]any{"name": apiServiceName, "resourceVersion": "1"}, "spec": map[string]any{},
	}}
	kinds := map[schema.GroupVersionResource]string{apiServices: "APIServiceList"}
	c.objects = dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, service)
	var applying sync.Mutex
	c.objects.PrependReactor("patch", "apiservices", func(action clienttesting.Action) (bool, runtime.Object, error) {
		applying.Lock()
		defer applying.Unlock()
		patch := &unstructured.Unstructured{}
		if err := patch.UnmarshalJSON(action.(clienttesting.PatchAction).GetPatch()); err != nil {
			return true, nil, err
		}
		stored, err := c.objects.Tracker().Get(apiServices, "", apiServiceName)
		if err != nil {
			return true, nil, err
		}
		version := stored.(*unstructured.Unstructured).GetResourceVersion()
		if patch.GetResourceVersion() != version {
			return true, nil, apierrors.NewConflict(apiServices.GroupResource(), apiServiceName, errors.New("changed"))
		}
		c.applied++
		return true, patch, c.put(patch, version)
	})
	return c
}

// put stores the APIService under the next version.
func (c *cluster) put(object *unstructured.Unstructured, version string) error {
	number, err := strconv.Atoi(version)
	if err != nil {
		return err
	}
	object.SetResourceVersion(strconv.Itoa(number + 1))
	return c.objects.Tracker().Update(apiServices, object, "")
}

func (c *cluster) bundle(t *testing.T) string {
	t.Helper()
	object, err := c.objects.Resource(apiServices).Get(t.Context(), apiServiceName, metav1.GetOptions{})
	require.NoError(t, err)
	text, _, err := unstructured.NestedString(object.Object, "spec", "caBundle")
	require.NoError(t, err)
	raw, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	return string(raw)
}

func (c *cluster) overwrite(t *testing.T, bundle string) {
	t.Helper()
	object, err := c.objects.Resource(apiServices).Get(t.Context(), apiServiceName, metav1.GetOptions{})
	require.NoError(t, err)
	require.NoError(t, unstructured.SetNestedField(object.Object, base64.StdEncoding.EncodeToString([]byte(bundle)), "spec", "caBundle"))
	require.NoError(t, c.put(object, object.GetResourceVersion()))
}

func (c *cluster) manager(t *testing.T) *Manager {
	t.Helper()
	m, err := New(Options{
		Kube: c.kube, Objects: c.objects, Namespace: "system", Service: "server", Secret: "ca", ClusterDomain: "cluster.local",
		APIService: apiServiceName, FieldManager: "test", KeyPrefix: "example.com",
	})
	require.NoError(t, err)
	require.NoError(t, m.Ensure(t.Context()))
	return m
}

func run(t *testing.T, m *Manager) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, m.Run(ctx)) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

// listen serves the manager's certificate, as the generic server does.
func listen(t *testing.T, certificate dynamiccertificates.CertKeyContentProvider) net.Addr {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(certificate.CurrentCertKeyContent())
		return &pair, err
	}})
	require.NoError(t, err)
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { _ = server.Close(); serving.Wait() })
	return listener.Addr()
}

func request(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil)
	require.NoError(t, err)
	return r
}

func TestFirstCertificateIsThereBeforeItListens(t *testing.T) {
	c := newCluster(t)
	m := c.manager(t)
	certificate, key := m.CurrentCertKeyContent()
	pair, err := tls.X509KeyPair(certificate, key)
	require.NoError(t, err)
	for _, name := range []string{"server.system.svc", "server.system", "server.system.svc.cluster.local", "localhost", "127.0.0.1", "::1"} {
		require.NoError(t, pair.Leaf.VerifyHostname(name))
	}
	require.Error(t, pair.Leaf.VerifyHostname("server.other.svc"))
	assert.Empty(t, c.bundle(t), "only Run publishes")
}

func TestBundleIsPublishedAndKept(t *testing.T) {
	c := newCluster(t)
	m := c.manager(t)
	run(t, m)
	want := string(m.authority.Bundle())
	require.Eventually(t, func() bool { return c.bundle(t) == want }, 10*time.Second, 10*time.Millisecond)
	c.overwrite(t, "garbage")
	require.Eventually(t, func() bool { return c.bundle(t) == want }, 10*time.Second, 10*time.Millisecond)
}

func TestPublishedBundleIsNotWrittenAgain(t *testing.T) {
	c := newCluster(t)
	one, two := c.manager(t), c.manager(t)
	for range 3 {
		require.NoError(t, one.publisher.publish(t.Context()))
		require.NoError(t, two.publisher.publish(t.Context()))
	}
	assert.Equal(t, 1, c.applied)
}

// TestOldBundleNeverReplacesANewerOne: a replica reads the Secret, stalls, and writes after another has published.
func TestOldBundleNeverReplacesANewerOne(t *testing.T) {
	c := newCluster(t)
	slow, quick := c.manager(t), c.manager(t)
	read := slow.publisher.bundle
	var stalled bool
	slow.publisher.bundle = func(ctx context.Context) ([]byte, error) {
		old, err := read(ctx)
		if !stalled {
			stalled = true
			assert.NoError(t, quick.Reconnect(ctx))
		}
		return old, err
	}
	require.NoError(t, slow.publisher.publish(t.Context()))
	assert.Contains(t, c.bundle(t), "generation 1")
	assert.Equal(t, 1, c.applied, "the slow one's write was refused")
}

func TestReconnectIsPublishedWhenItReturns(t *testing.T) {
	c := newCluster(t)
	m := c.manager(t)
	require.NoError(t, m.publisher.publish(t.Context()))
	before := c.bundle(t)
	require.NoError(t, m.Reconnect(t.Context()))
	assert.Equal(t, "# reconnect generation 1\n"+before, c.bundle(t))
}

func TestMissingAPIServiceIsNoPublication(t *testing.T) {
	c := newCluster(t)
	m := c.manager(t)
	require.NoError(t, c.objects.Tracker().Delete(apiServices, "", apiServiceName))
	require.ErrorContains(t, m.publisher.publish(t.Context()), "APIService "+apiServiceName)
	_, err := m.publisher.published(t.Context(), m.authority.Bundle())
	require.Error(t, err)
}

func TestSelfCheck(t *testing.T) {
	c := newCluster(t)
	m := c.manager(t)
	check := m.SelfCheck(listen(t, m)).Check
	require.ErrorContains(t, check(request(t)), "not been read yet")
	_, _, err := m.publisher.read(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, check(request(t)), "holds no certificate")
	require.NoError(t, m.publisher.publish(t.Context()))
	require.NoError(t, check(request(t)))

	other := newCluster(t).manager(t)
	c.overwrite(t, string(other.authority.Bundle()))
	_, _, err = m.publisher.read(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, check(request(t)), "unknown authority")
}

// told counts what a listener is told.
type told struct{ times chan struct{} }

func (l told) Enqueue() { l.times <- struct{}{} }

func TestAnotherSignerMeansAnotherCertificateAtOnce(t *testing.T) {
	c := newCluster(t)
	m := c.manager(t)
	listener := told{make(chan struct{}, 10)}
	m.AddListener(listener)
	before, _ := m.CurrentCertKeyContent()
	run(t, m)
	require.NoError(t, c.kube.CoreV1().Secrets("system").Delete(t.Context(), "ca", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool { return len(listener.times) == 1 }, 10*time.Second, 10*time.Millisecond)
	after, _ := m.CurrentCertKeyContent()
	assert.NotEqual(t, before, after)
	require.Eventually(t, func() bool { return c.bundle(t) == string(m.authority.Bundle()) }, 10*time.Second, 10*time.Millisecond)
}

func TestReachable(t *testing.T) {
	for address, want := range map[string]string{"0.0.0.0:6443": ":6443", "[::]:6443": ":6443", "127.0.0.1:6443": "127.0.0.1:6443"} {
		parsed, err := net.ResolveTCPAddr("tcp", address)
		require.NoError(t, err)
		assert.Equal(t, want, reachable(parsed))
	}
}
