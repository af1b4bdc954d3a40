// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
)

// base is what kustomize makes of artifacts/base, in its order.
func base(t *testing.T) []byte {
	t.Helper()
	root, err := binaries.FindRoot(".")
	require.NoError(t, err)
	kustomization := struct{ Resources []string }{}
	raw, err := os.ReadFile(root.Join("artifacts", "base", "kustomization.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(raw, &kustomization))
	var all [][]byte
	for _, name := range kustomization.Resources {
		raw, err := os.ReadFile(root.Join("artifacts", "base", name))
		require.NoError(t, err)
		all = append(all, raw)
	}
	return bytes.Join(all, []byte("---\n"))
}

func objects(t *testing.T, manifests []byte) map[string]*unstructured.Unstructured {
	t.Helper()
	out := map[string]*unstructured.Unstructured{}
	for doc := range strings.SplitSeq(string(manifests), "---\n") {
		object := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte(doc), &object.Object))
		if object.Object != nil {
			out[object.GetKind()+"/"+object.GetName()] = object
		}
	}
	return out
}

func TestLocalize(t *testing.T) {
	before := objects(t, base(t))
	localized, err := localize(base(t), endpoint{port: 4711, caBundle: []byte("authority")})
	require.NoError(t, err)
	after := objects(t, localized)
	assert.Len(t, after, len(before))

	assert.Equal(t, map[string]any{"type": "ExternalName", "externalName": "localhost"}, after["Service/"+ServiceAccount].Object["spec"])
	delete(before, "Service/"+ServiceAccount)

	spec, _, err := unstructured.NestedMap(after["APIService/"+APIServiceName].Object, "spec")
	require.NoError(t, err)
	assert.Equal(t, base64.StdEncoding.EncodeToString([]byte("authority")), spec["caBundle"])
	assert.Equal(t, map[string]any{"name": ServiceAccount, "namespace": SystemNamespace, "port": int64(4711)}, normalized(spec["service"]))
	assert.Equal(t, "v1beta1", spec["version"])
	delete(before, "APIService/"+APIServiceName)

	for name, object := range before {
		assert.Equal(t, object, after[name], "%s is applied as it is", name)
	}
}

func TestLocalizeLeavesTheAuthorityToTheServer(t *testing.T) {
	localized, err := localize(base(t), endpoint{port: 4711})
	require.NoError(t, err)
	_, there, err := unstructured.NestedFieldNoCopy(objects(t, localized)["APIService/"+APIServiceName].Object, "spec", "caBundle")
	require.NoError(t, err)
	assert.False(t, there)
}

// normalized undoes that YAML knows no integers.
func normalized(value any) any {
	fields, _ := value.(map[string]any)
	if port, ok := fields["port"].(float64); ok {
		fields["port"] = int64(port)
	}
	return fields
}

func TestEditorsMayNotSuspendResumeOrClaim(t *testing.T) {
	roles := objects(t, base(t))
	for _, name := range []string{"ClusterRole/sandbox-view", "ClusterRole/sandbox-edit"} {
		raw, err := yaml.Marshal(roles[name].Object)
		require.NoError(t, err)
		for _, action := range []string{"/suspend", "/resume", "/claim", "*"} {
			assert.NotContains(t, string(raw), action, name)
		}
	}
}

func TestServingCertificate(t *testing.T) {
	files := layout{dir: t.TempDir()}.serving("sandbox-apiserver")
	authority, err := servingCertificate(files)
	require.NoError(t, err)
	again, err := servingCertificate(files)
	require.NoError(t, err)
	assert.Equal(t, authority, again, "a restart keeps the authority that kube-apiserver trusts")

	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(authority))
	chain, err := os.ReadFile(files.cert)
	require.NoError(t, err)
	leaf, _ := pem.Decode(chain)
	certificate, err := x509.ParseCertificate(leaf.Bytes)
	require.NoError(t, err)
	for _, name := range []string{"sandbox-apiserver.sandbox-system.svc", "localhost", "127.0.0.1"} {
		_, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
		require.NoError(t, err, name)
	}
}

func TestTokenKubeconfig(t *testing.T) {
	raw, err := clientcmd.Write(tokenKubeconfig("https://127.0.0.1:1", []byte("authority"), "secret"))
	require.NoError(t, err)
	config, err := clientcmd.RESTConfigFromKubeConfig(raw)
	require.NoError(t, err)
	assert.Equal(t, "https://127.0.0.1:1", config.Host)
	assert.Equal(t, "secret", config.BearerToken)
	assert.Equal(t, []byte("authority"), config.CAData)
	assert.Empty(t, config.CertFile, "the administrator's certificate stays with the administrator")
}

func TestUnavailable(t *testing.T) {
	const prefix = `{"status":{"conditions":[{"type":"Other","status":"True"},`
	require.NoError(t, unavailable([]byte(prefix+`{"type":"Available","status":"True"}]}}`)))
	require.ErrorContains(t, unavailable([]byte(prefix+`{"type":"Available","status":"False","reason":"FailedDiscoveryCheck","message":"refused"}]}}`)), "FailedDiscoveryCheck: refused")
	require.ErrorContains(t, unavailable([]byte(`{}`)), "not looked at yet")
	require.Error(t, unavailable([]byte(`<html>`)))
}

func TestUnready(t *testing.T) {
	assert.Equal(t, "etcd failed: reason withheld; informer-sync failed", unready("[+]ping ok\n[-]etcd failed: reason withheld\n[-]informer-sync failed\nreadyz check failed\n"))
	assert.Equal(t, "503 whatever", unready("503 whatever\n"))
}

func TestSchedulable(t *testing.T) {
	ready := func(status corev1.ConditionStatus, taints ...corev1.Taint) *corev1.Node {
		node := &corev1.Node{Spec: corev1.NodeSpec{Taints: taints}}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}
		return node
	}
	assert.True(t, schedulable(ready(corev1.ConditionTrue)))
	assert.True(t, schedulable(ready(corev1.ConditionTrue, corev1.Taint{Effect: corev1.TaintEffectPreferNoSchedule})))
	assert.False(t, schedulable(ready(corev1.ConditionUnknown)))
	assert.False(t, schedulable(ready(corev1.ConditionTrue, corev1.Taint{Key: "node.kubernetes.io/not-ready", Effect: corev1.TaintEffectNoSchedule})))
	assert.False(t, schedulable(&corev1.Node{}))
}

func TestReasonedTellsEachReasonOnce(t *testing.T) {
	answers := []error{errors.New("a"), errors.New("a"), errors.New("b"), nil}
	var told []string
	err := reasoned(t.Context(), "it", func(line string) { told = append(told, line) }, func(context.Context) error {
		answer := answers[0]
		answers = answers[1:]
		return answer
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"waiting for it: a", "waiting for it: b"}, told)
}

func TestReasonedEndsWithTheReason(t *testing.T) {
	silent := func(string) {}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := reasoned(ctx, "it", silent, func(context.Context) error { return errors.New("still dark") })
	require.ErrorContains(t, err, "still dark")
	require.ErrorIs(t, err, context.DeadlineExceeded)

	hopeless := &terminalError{errors.New("it has ended")}
	err = reasoned(t.Context(), "it", silent, func(context.Context) error { return hopeless })
	require.ErrorContains(t, err, "it has ended")
}
