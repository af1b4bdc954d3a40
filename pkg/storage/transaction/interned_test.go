// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/registry/rest"
)

// TestIntern: it sees all that the watch cache gets, from the first list and from the watch,
// and nothing that is read around it.
func TestIntern(t *testing.T) {
	servers, ctx := newEtcd(t), serving(t.Context())
	_, err := newReplica(t, servers, false).claims.Create(ctx, named("listed"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	require.NoError(t, err)

	r := &replica{T: t, backend: NewBackend()}
	r.backend.Intern = func(obj runtime.Object) {
		if pod, ok := obj.(*example.Pod); ok {
			pod.Spec.Hostname = "interned"
		}
	}
	r.claims = r.store(servers, claims, true)
	_, err = r.claims.Create(ctx, named("watched"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	require.NoError(t, err)

	var cached *example.PodList
	require.Eventually(t, func() bool {
		list, err := r.claims.List(ctx, &internalversion.ListOptions{ResourceVersion: "0"})
		require.NoError(t, err)
		cached = list.(*example.PodList)
		return len(cached.Items) == 2
	}, patience, time.Millisecond)
	for i := range cached.Items {
		assert.Equal(t, "interned", cached.Items[i].Spec.Hostname, cached.Items[i].Name)
		read, err := r.claims.Get(ctx, cached.Items[i].Name, &metav1.GetOptions{})
		require.NoError(t, err)
		assert.Empty(t, read.(*example.Pod).Spec.Hostname, cached.Items[i].Name)
	}
}
