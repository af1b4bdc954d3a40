// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

func newPool(name string) *sandbox.SandboxWarmPool {
	return &sandbox.SandboxWarmPool{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: sandbox.SandboxWarmPoolSpec{
			Replicas:           ptr.To[int32](3),
			SandboxTemplateRef: sandbox.SandboxTemplateReference{Name: "python"},
			UpdateStrategy:     sandbox.SandboxWarmPoolUpdateStrategy{Type: sandbox.OnReplenishStrategy},
		},
	}
}

func TestScale(t *testing.T) {
	s := serve(t)
	pool := create(s, "sandboxwarmpools", newPool("python"))
	_, err := update(s, "sandboxwarmpools/status", "python", func(p *sandbox.SandboxWarmPool) { p.Status.Replicas, p.Status.Selector = 2, "a=b" })
	require.NoError(t, err)

	scale := read[*autoscalingv1.Scale](s, "sandboxwarmpools/scale", "python")
	assert.EqualValues(t, 3, scale.Spec.Replicas)
	assert.Equal(t, autoscalingv1.ScaleStatus{Replicas: 2, Selector: "a=b"}, scale.Status)
	assert.Equal(t, pool.UID, scale.UID)

	scaled, err := update(s, "sandboxwarmpools/scale", "python", func(scale *autoscalingv1.Scale) { scale.Spec.Replicas = 7 })
	require.NoError(t, err)
	assert.EqualValues(t, 7, scaled.Spec.Replicas)
	stored := read[*sandbox.SandboxWarmPool](s, "sandboxwarmpools", "python")
	assert.EqualValues(t, 7, *stored.Spec.Replicas)
	assert.Equal(t, "python", stored.Spec.SandboxTemplateRef.Name)
	assert.EqualValues(t, 2, stored.Generation)
}

func TestScaleIsRefused(t *testing.T) {
	s := serve(t)
	create(s, "sandboxwarmpools", newPool("python"))
	before := s.revision()
	for name, c := range map[string]struct {
		change func(*autoscalingv1.Scale)
		want   func(error) bool
	}{
		"below zero":      {func(scale *autoscalingv1.Scale) { scale.Spec.Replicas = -1 }, apierrors.IsInvalid},
		"above the bound": {func(scale *autoscalingv1.Scale) { scale.Spec.Replicas = maxPoolReplicas + 1 }, apierrors.IsInvalid},
		"another uid":     {func(scale *autoscalingv1.Scale) { scale.UID = "another" }, apierrors.IsConflict},
		"stale":           {func(scale *autoscalingv1.Scale) { scale.ResourceVersion = "1" }, apierrors.IsConflict},
	} {
		_, err := update(s, "sandboxwarmpools/scale", "python", c.change)
		require.Error(t, err, name)
		assert.True(t, c.want(err), "%s: %v", name, err)
	}
	assert.Equal(t, before, s.revision())
}
