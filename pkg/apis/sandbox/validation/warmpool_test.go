// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"math"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

const maxReplicas = 100

func validWarmPool() *sandbox.SandboxWarmPool {
	return &sandbox.SandboxWarmPool{
		ObjectMeta: validMeta(),
		Spec: sandbox.SandboxWarmPoolSpec{
			Replicas:           ptr.To[int32](3),
			SandboxTemplateRef: sandbox.SandboxTemplateReference{Name: "python"},
			UpdateStrategy: sandbox.SandboxWarmPoolUpdateStrategy{
				Type:          sandbox.RollingUpdateStrategy,
				RollingUpdate: &sandbox.RollingUpdateSandboxWarmPool{MaxUnavailable: ptr.To(intstr.FromString("25%"))},
			},
		},
	}
}

func TestValidateSandboxWarmPool(t *testing.T) {
	replicas := func(n int32) func(*sandbox.SandboxWarmPool) {
		return func(p *sandbox.SandboxWarmPool) { p.Spec.Replicas = &n }
	}
	unavailable := func(v intstr.IntOrString) func(*sandbox.SandboxWarmPool) {
		return func(p *sandbox.SandboxWarmPool) { p.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable = &v }
	}
	badUnavailable := []string{"spec.updateStrategy.rollingUpdate.maxUnavailable: FieldValueInvalid"}
	tests := []struct {
		name   string
		change func(*sandbox.SandboxWarmPool)
		want   []string
	}{
		{name: "valid", change: func(*sandbox.SandboxWarmPool) {}},
		{name: "no replicas wanted", change: replicas(0)},
		{name: "as many as allowed", change: replicas(maxReplicas)},
		{name: "fewer than none", change: replicas(-1), want: []string{"spec.replicas: FieldValueInvalid"}},
		{name: "one too many", change: replicas(maxReplicas + 1), want: []string{"spec.replicas: FieldValueInvalid"}},
		{name: "a Pod storm", change: replicas(math.MaxInt32), want: []string{"spec.replicas: FieldValueInvalid"}},
		{
			name:   "no template",
			change: func(p *sandbox.SandboxWarmPool) { p.Spec.SandboxTemplateRef.Name = "" },
			want:   []string{"spec.sandboxTemplateRef.name: FieldValueRequired"},
		},
		{
			name:   "template of another namespace",
			change: func(p *sandbox.SandboxWarmPool) { p.Spec.SandboxTemplateRef.Name = "other/python" },
			want:   []string{"spec.sandboxTemplateRef.name: FieldValueInvalid"},
		},
		{
			name: "unknown strategy",
			change: func(p *sandbox.SandboxWarmPool) {
				p.Spec.UpdateStrategy = sandbox.SandboxWarmPoolUpdateStrategy{Type: "Never"}
			},
			want: []string{"spec.updateStrategy.type: FieldValueNotSupported"},
		},
		{
			name:   "rollingUpdate of another strategy",
			change: func(p *sandbox.SandboxWarmPool) { p.Spec.UpdateStrategy.Type = sandbox.RecreateStrategy },
			want:   []string{"spec.updateStrategy.rollingUpdate: FieldValueForbidden"},
		},
		{name: "rollingUpdate without bound", change: func(p *sandbox.SandboxWarmPool) { p.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable = nil }},
		{name: "number", change: unavailable(intstr.FromInt32(1))},
		{name: "all", change: unavailable(intstr.FromString("100%"))},
		{name: "negative", change: unavailable(intstr.FromInt32(-1)), want: badUnavailable},
		{name: "more than all", change: unavailable(intstr.FromString("101%")), want: badUnavailable},
		{name: "far more than all", change: unavailable(intstr.FromString("99999999999999999999%")), want: badUnavailable},
		{name: "no percentage", change: unavailable(intstr.FromString("half")), want: badUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pool := validWarmPool()
			test.change(pool)
			assertErrors(t, test.want, ValidateSandboxWarmPool(pool, maxReplicas))
		})
	}
}

func TestValidateSandboxWarmPoolUpdate(t *testing.T) {
	moved := validWarmPool()
	moved.Spec.SandboxTemplateRef.Name = "python-next"
	assertErrors(t, nil, ValidateSandboxWarmPoolUpdate(moved, validWarmPool(), maxReplicas))

	scaled := validWarmPool()
	scaled.Spec.Replicas = ptr.To[int32](maxReplicas + 1)
	assertErrors(t, []string{"spec.replicas: FieldValueInvalid"}, ValidateSandboxWarmPoolUpdate(scaled, validWarmPool(), maxReplicas))

	relabelled := scaled.DeepCopy()
	relabelled.Labels = map[string]string{"a": "b"}
	assertErrors(t, nil, ValidateSandboxWarmPoolUpdate(relabelled, scaled, maxReplicas))
}

func TestValidateSandboxWarmPoolStatusUpdate(t *testing.T) {
	pool := validWarmPool()
	pool.Status = sandbox.SandboxWarmPoolStatus{Replicas: 3, ReadyReplicas: 2, StaleReplicas: 1, Conditions: []metav1.Condition{validCondition()}}
	assertErrors(t, nil, ValidateSandboxWarmPoolStatusUpdate(pool, validWarmPool()))

	pool.Status = sandbox.SandboxWarmPoolStatus{Replicas: -1, ReadyReplicas: -1, StaleReplicas: -1, ObservedGeneration: -1}
	assertErrors(t, []string{
		"status.replicas: FieldValueInvalid",
		"status.readyReplicas: FieldValueInvalid",
		"status.staleReplicas: FieldValueInvalid",
		"status.observedGeneration: FieldValueInvalid",
	}, ValidateSandboxWarmPoolStatusUpdate(pool, validWarmPool()))
}
