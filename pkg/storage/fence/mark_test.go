// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestConfigMap(t *testing.T) {
	client := fake.NewClientset()
	c := ConfigMap{Client: client, Namespace: "system", Name: "storage", Component: "server", Identity: "one"}
	mark, err := c.Read(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Mark{}, mark)

	want := Position{Epoch: "a", Beat: 3, Revision: 17, Cluster: 0xcdf818194e3a8c32}
	require.NoError(t, c.Write(t.Context(), mark, want))
	require.ErrorIs(t, c.Write(t.Context(), mark, want), errLost, "somebody else created it")
	mark, err = c.Read(t.Context())
	require.NoError(t, err)
	assert.True(t, mark.exists)
	assert.Equal(t, want, mark.Position)
	want.Beat++
	require.NoError(t, c.Write(t.Context(), mark, want))
	mark, err = c.Read(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, mark.Position)

	lost := want
	lost.LossConfirmed = time.Date(2026, 5, 1, 14, 0, 7, 0, time.FixedZone("", 7200))
	require.NoError(t, c.Write(t.Context(), mark, lost))
	written, err := client.CoreV1().ConfigMaps("system").Get(t.Context(), "storage", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, "2026-05-01T12:00:07Z", written.Data["lossConfirmed"], "as creationTimestamps are written")
	mark, err = c.Read(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, mark.Position, "it is for people")

	client.PrependReactor("update", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, "storage", nil)
	})
	require.ErrorIs(t, c.Write(t.Context(), mark, want), errLost)
	require.NoError(t, client.CoreV1().ConfigMaps("system").Delete(t.Context(), "storage", metav1.DeleteOptions{}))
}

func TestConfigMapOfSomebodyElse(t *testing.T) {
	for name, data := range map[string]map[string]string{
		"empty":    nil,
		"no epoch": {keyBeat: "1", keyRevision: "1", keyCluster: "1"},
		"garbled":  {keyEpoch: "a", keyBeat: "many", keyRevision: "1", keyCluster: "1"},
		"negative": {keyEpoch: "a", keyBeat: "1", keyRevision: "1", keyCluster: "-1"},
	} {
		_, err := decodeMark(data)
		assert.Error(t, err, name)
	}
}

func TestReport(t *testing.T) {
	client := fake.NewClientset()
	c := ConfigMap{Client: client, Namespace: "system", Name: "storage", Component: "server", Identity: strings.Repeat("i", 200)}
	c.Report(t.Context(), Event{Warning: true, Reason: "StorageRewound", Action: "Refuse", Note: strings.Repeat("n", 2000)})
	events, err := client.EventsV1().Events("system").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, events.Items, 1)
	assert.Equal(t, "Warning", events.Items[0].Type)
	assert.Len(t, events.Items[0].Note, noteLimit)
	assert.Len(t, events.Items[0].ReportingInstance, 128)
}
