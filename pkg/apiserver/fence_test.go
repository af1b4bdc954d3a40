// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/storage/etcd3/testserver"
	"k8s.io/client-go/kubernetes/fake"

	"agents.x-k8s.io/sandbox-apiserver/pkg/storage/fence"
)

// TestFencedPaths: without a verdict nothing but the server's health is served, in a
// form that every client of the API reads.
func TestFencedPaths(t *testing.T) {
	gate := fence.NewGate()
	handler := withFence(gate, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for path, want := range map[string]int{
		"/livez": http.StatusTeapot, "/readyz": http.StatusTeapot, "/healthz": http.StatusTeapot, "/metrics": http.StatusTeapot,
		"/readyz/storage-fence": http.StatusTeapot, "/metrics/slis": http.StatusTeapot,
		"/": http.StatusServiceUnavailable, "/apis": http.StatusServiceUnavailable, "/version": http.StatusServiceUnavailable,
		"/apis/sandbox.agents.x-k8s.io/v1beta1": http.StatusServiceUnavailable, "/openapi/v3": http.StatusServiceUnavailable,
		"/livezz": http.StatusServiceUnavailable, "/debug/pprof/": http.StatusServiceUnavailable, "//livez": http.StatusServiceUnavailable,
		"/apis/sandbox.agents.x-k8s.io/v1beta1/sandboxes": http.StatusServiceUnavailable,
	} {
		for _, accept := range []string{"", "application/json", "application/vnd.kubernetes.protobuf,application/json", "text/html",
			"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json", "application/cbor"} {
			answer := ask(t, handler, path, accept)
			assert.Equal(t, want, answer.Code, "%s as %q", path, accept)
			if want == http.StatusServiceUnavailable {
				assert.Equal(t, "1", answer.Header().Get("Retry-After"), path)
			}
		}
	}

	var status metav1.Status
	require.NoError(t, json.Unmarshal(ask(t, handler, "/apis", "application/json").Body.Bytes(), &status))
	assert.Equal(t, metav1.StatusReasonServiceUnavailable, status.Reason)
	assert.Contains(t, status.Message, "etcd has not been looked at yet")
	require.Len(t, status.Details.Causes, 1)
	assert.EqualValues(t, fence.NotVerified, status.Details.Causes[0].Type)
	assert.Error(t, fenceCheck(gate).Check(nil))
}

// TestRedServerEndsWhenEtcdIsRightAgain: the process that saw the wrong etcd makes room.
func TestRedServerEndsWhenEtcdIsRightAgain(t *testing.T) {
	const key, patience = "/registry/storage-fence", 20 * time.Second
	etcd := testserver.RunEtcd(t, nil).Client
	gate := fence.NewGate()
	mark := fence.ConfigMap{Client: fake.NewClientset(), Namespace: "system", Name: storageMark}
	timing := fence.DefaultTiming()
	timing.Check, timing.Mark = 10*time.Millisecond, 10*time.Millisecond
	watched := &storageFence{gate: gate, release: func() {}, Fence: fence.New(fence.Options{
		Etcd: etcd.KV, Key: key, Housekeeping: compactionKey, Marks: mark, Reporter: mark, Gate: gate, Guard: fence.NewGuard(gate), Timing: timing,
	})}
	ended := make(chan error, 1)
	go func() {
		ended <- watched.during(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
	}()
	require.Eventually(t, func() bool { return gate.Err() == nil }, patience, time.Millisecond)
	begun, err := etcd.Get(t.Context(), key)
	require.NoError(t, err)
	_, err = etcd.Delete(t.Context(), key)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return gate.Err() != nil }, patience, time.Millisecond)
	_, err = etcd.Put(t.Context(), key, string(begun.Kvs[0].Value))
	require.NoError(t, err)
	require.ErrorIs(t, <-ended, fence.ErrRestart)
	assert.Error(t, gate.Err(), "it serves nothing on its way out")
}

func ask(t *testing.T, handler http.Handler, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://server"+path, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}
