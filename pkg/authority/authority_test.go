// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

const (
	namespace = "system"
	name      = "ca"
)

// cluster is a clientset that refuses updates of an old version, as a real one does.
func cluster(t *testing.T) *fake.Clientset {
	t.Helper()
	client := fake.NewClientset()
	var writing sync.Mutex
	var version int
	client.PrependReactor("*", "secrets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		write, ok := action.(interface{ GetObject() runtime.Object })
		if !ok {
			return false, nil, nil
		}
		writing.Lock()
		defer writing.Unlock()
		secret := write.GetObject().(*corev1.Secret)
		if action.GetVerb() == "update" {
			stored, err := client.Tracker().Get(action.GetResource(), namespace, secret.Name)
			if err != nil {
				return true, nil, err
			}
			if stored.(*corev1.Secret).ResourceVersion != secret.ResourceVersion {
				return true, nil, apierrors.NewConflict(action.GetResource().GroupResource(), secret.Name, errors.New("changed"))
			}
		}
		version++
		secret = secret.DeepCopy()
		secret.ResourceVersion = fmt.Sprint(version)
		if action.GetVerb() == "update" {
			return true, secret, client.Tracker().Update(action.GetResource(), secret, namespace)
		}
		return true, secret, client.Tracker().Create(action.GetResource(), secret, namespace)
	})
	return client
}

func options(client *fake.Clientset) Options {
	return Options{
		Client: client, Namespace: namespace, Name: name, KeyPrefix: "example.com",
		Lifetime: time.Hour, LeafLifetime: 300 * time.Millisecond, Spread: 100 * time.Millisecond,
	}
}

func start(t *testing.T, o Options) *Authority {
	t.Helper()
	a, err := New(o)
	require.NoError(t, err)
	require.NoError(t, a.Ensure(t.Context()))
	return a
}

// run runs the authorities until the test ends.
func run(t *testing.T, all ...*Authority) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, a := range all {
		running.Go(func() { assert.NoError(t, a.Run(ctx)) })
	}
	t.Cleanup(func() { cancel(); running.Wait() })
}

func annotate(t *testing.T, client *fake.Clientset, key, value string) {
	t.Helper()
	require.Eventually(t, func() bool {
		secret, err := client.CoreV1().Secrets(namespace).Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		if secret.Annotations == nil {
			secret.Annotations = map[string]string{}
		}
		secret.Annotations[key] = value
		_, err = client.CoreV1().Secrets(namespace).Update(t.Context(), secret, metav1.UpdateOptions{})
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
}

// trusts verifies a leaf as a TLS client would.
func trusts(bundle []byte, leaf *Leaf, now time.Time) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle)
	both, err := tls.X509KeyPair(leaf.Certificate, leaf.Key)
	if err != nil {
		return err
	}
	_, err = both.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "server", CurrentTime: now})
	return err
}

func TestAllAgreeOnOneAuthority(t *testing.T) {
	client := cluster(t)
	bundles := make([][]byte, 20)
	var starting sync.WaitGroup
	for i := range bundles {
		starting.Go(func() {
			a, err := New(options(client))
			if assert.NoError(t, err) && assert.NoError(t, a.Ensure(t.Context())) {
				bundles[i] = a.Bundle()
			}
		})
	}
	starting.Wait()
	for _, bundle := range bundles {
		assert.Equal(t, string(bundles[0]), string(bundle))
	}
	assert.NotEmpty(t, bundles[0])
}

func TestIssue(t *testing.T) {
	o := options(cluster(t))
	now := noon
	o.LeafLifetime, o.Now = time.Minute, func() time.Time { return now }
	a, err := New(o)
	require.NoError(t, err)
	_, err = a.Issue(Request{})
	require.Error(t, err, "before Ensure")
	require.NoError(t, a.Ensure(t.Context()))

	leaf, err := a.Issue(Request{CommonName: "server", DNSNames: []string{"server"}, Usages: Server, Lifetime: time.Hour})
	require.NoError(t, err)
	require.NoError(t, trusts(a.Bundle(), leaf, now))
	assert.Equal(t, now.Add(time.Minute), leaf.NotAfter, "the longest life of a leaf is the authority's to say")
	assert.Equal(t, 40*time.Second, a.RenewIn(leaf))
	now = now.Add(time.Minute)
	assert.Zero(t, a.RenewIn(leaf))
	require.Error(t, trusts(a.Bundle(), leaf, now.Add(time.Second)))

	now = noon.Add(59*time.Minute + 50*time.Second)
	leaf, err = a.Issue(Request{CommonName: "server", DNSNames: []string{"server"}, Usages: Server})
	require.NoError(t, err)
	assert.Equal(t, noon.Add(time.Hour), leaf.NotAfter, "a leaf does not outlive its signer")
}

func TestRotationOnDemand(t *testing.T) {
	client := cluster(t)
	o := options(client)
	var published atomic.Bool
	o.Published = func(context.Context, []byte) (bool, error) { return published.Load(), nil }
	one, two := start(t, o), start(t, o)
	run(t, one, two)
	before := one.Bundle()
	leaf, err := one.Issue(Request{DNSNames: []string{"server"}, Usages: Server})
	require.NoError(t, err)

	annotate(t, client, "example.com/rotate", "1")
	for _, a := range []*Authority{one, two} {
		require.Eventually(t, func() bool { return !bytes.Equal(a.Bundle(), before) }, 10*time.Second, 5*time.Millisecond)
		assert.NotZero(t, a.RenewIn(leaf)+time.Until(leaf.NotAfter), "the old one signs until the bundle is published")
		assert.Equal(t, string(leaf.signer), string(a.current.Load().signer.certificate.Raw))
	}
	union := one.Bundle()
	assert.Contains(t, string(union), string(before))
	published.Store(true)
	for _, a := range []*Authority{one, two} {
		require.Eventually(t, func() bool { return !bytes.Equal(leaf.signer, a.current.Load().signer.certificate.Raw) }, 10*time.Second, 5*time.Millisecond)
		assert.Zero(t, a.RenewIn(leaf))
		require.Eventually(t, func() bool { return !bytes.Contains(a.Bundle(), before) }, 10*time.Second, 5*time.Millisecond)
		require.Error(t, trusts(a.Bundle(), leaf, leaf.NotAfter.Add(-time.Millisecond)))
	}
	assert.Equal(t, string(one.Bundle()), string(two.Bundle()))
	assert.Equal(t, "1", one.current.Load().rotated, "the demand is used up")
}

func TestGarbageIsNotOverwritten(t *testing.T) {
	client := cluster(t)
	a := start(t, options(client))
	good := a.Bundle()
	secret, err := client.CoreV1().Secrets(namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	secret.Data[signerCert] = []byte("garbage")
	_, err = client.CoreV1().Secrets(namespace).Update(t.Context(), secret, metav1.UpdateOptions{})
	require.NoError(t, err)

	_, err = a.sync(t.Context())
	require.ErrorContains(t, err, "Secret system/ca: data tls.crt")
	require.NoError(t, a.Ensure(t.Context()), "what was read before is still good")
	assert.Equal(t, string(good), string(a.Bundle()))

	other, err := New(options(client))
	require.NoError(t, err)
	require.ErrorContains(t, other.Ensure(t.Context()), "Secret system/ca: data tls.crt")
	secret, err = client.CoreV1().Secrets(namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, "garbage", string(secret.Data[signerCert]))
}

func TestDeletedSecretIsMadeAnew(t *testing.T) {
	client := cluster(t)
	one, two := start(t, options(client)), start(t, options(client))
	run(t, one, two)
	before := one.Bundle()
	require.NoError(t, client.CoreV1().Secrets(namespace).Delete(t.Context(), name, metav1.DeleteOptions{}))
	require.Eventually(t, func() bool {
		return !bytes.Equal(one.Bundle(), before) && bytes.Equal(one.Bundle(), two.Bundle())
	}, 10*time.Second, 10*time.Millisecond)
}

func TestReconnectCountsEveryCall(t *testing.T) {
	client := cluster(t)
	one, two := start(t, options(client)), start(t, options(client))
	run(t, one, two)
	changes := make(chan struct{}, 1)
	two.Notify(changes)
	var raising sync.WaitGroup
	for range 3 {
		raising.Go(func() { assert.NoError(t, one.Reconnect(t.Context())) })
		raising.Go(func() { assert.NoError(t, two.Reconnect(t.Context())) })
	}
	raising.Wait()
	require.Eventually(t, func() bool { return one.current.Load().reconnects == 6 && two.current.Load().reconnects == 6 }, 10*time.Second, 10*time.Millisecond)
	assert.Contains(t, string(one.Bundle()), "generation 6")
	assert.NotContains(t, string(one.Certificates()), "generation")
	assert.NotEmpty(t, changes)
}

func TestTimesThatCannotWork(t *testing.T) {
	for _, o := range []Options{
		{Lifetime: time.Hour, LeafLifetime: 30 * time.Minute},
		{LeafLifetime: -1},
		{Spread: 100 * 24 * time.Hour},
	} {
		_, err := New(o)
		require.Error(t, err)
	}
}
