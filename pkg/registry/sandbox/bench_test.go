// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// kubectl asks for pages of 500.
func BenchmarkTable(b *testing.B) {
	const page = 500
	list := &sandbox.SandboxList{}
	for i := range page {
		list.Items = append(list.Items, sandbox.Sandbox{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("python-%d", i), Labels: map[string]string{v1beta1.WarmPoolLabel: "python"}},
			Status: sandbox.SandboxStatus{
				PodIPs:     []string{"10.0.0.1"},
				Conditions: []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Ready"}},
			},
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		printed, err := table.ConvertToTable(b.Context(), list, nil)
		require.NoError(b, err)
		require.Len(b, printed.Rows, page)
	}
}
