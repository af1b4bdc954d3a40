// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// WaitForCollector returns once the garbage collector knows Sandboxes: it looks for new
// kinds every 30 s. An object that is owned by nothing but a Sandbox that is not there
// goes then.
func (s *Space) WaitForCollector() {
	s.T.Helper()
	const name = "collect-me"
	maps := s.Kube.CoreV1().ConfigMaps(s.Name)
	probe := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: []metav1.OwnerReference{{
		APIVersion: v1beta1.SchemeGroupVersion.String(), Kind: "Sandbox", Name: "nobody", UID: "11111111-2222-3333-4444-555555555555",
	}}}}
	_, err := maps.Create(s.T.Context(), probe, metav1.CreateOptions{})
	require.NoError(s.T, err)
	s.WaitGone("a ConfigMap of no Sandbox", func(ctx context.Context) error {
		_, err := maps.Get(ctx, name, metav1.GetOptions{})
		return err
	})
}
