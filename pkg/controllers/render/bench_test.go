// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// What a Sandbox of a pool goes through: it is made, gets its Pod, and is claimed.
func BenchmarkLifeOfAMember(b *testing.B) {
	template := &v1beta1.SandboxTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "python"},
		Spec:       v1beta1.SandboxTemplateSpec{PodTemplate: newSandbox().Spec.PodTemplate},
	}
	pool := &v1beta1.SandboxWarmPool{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "python", UID: "uid-pool"}}
	claim := &v1beta1.SandboxClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "agent", UID: "uid-claim"}}
	member := FromTemplate(template, pool)

	b.Run("FromTemplate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			FromTemplate(template, pool)
		}
	})
	b.Run("Pod", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Pod(member, "uid-service")
		}
	})
	b.Run("Claimed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, errs := Claimed(member, claim)
			require.Empty(b, errs)
		}
	})
}
