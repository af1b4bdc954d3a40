// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

func testScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, AddToScheme(scheme))
	return scheme
}

func TestDefaults(t *testing.T) {
	pod := PodTemplate{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "busybox"}}}}
	sandbox := SandboxSpec{
		PodTemplate:                          pod,
		OperatingMode:                        SandboxRunning,
		ShutdownPolicy:                       SandboxShutdownRetain,
		PersistentVolumeClaimRetentionPolicy: &PersistentVolumeClaimRetentionPolicy{WhenDeleted: PersistentVolumeClaimDelete},
	}
	setSandbox := SandboxSpec{
		OperatingMode:                        SandboxSuspended,
		ShutdownPolicy:                       SandboxShutdownDelete,
		PersistentVolumeClaimRetentionPolicy: &PersistentVolumeClaimRetentionPolicy{WhenDeleted: PersistentVolumeClaimRetain},
	}
	template := SandboxTemplateSpec{
		PodTemplate:                pod,
		NetworkPolicyManagement:    NetworkPolicyManaged,
		EnvVarsInjectionPolicy:     InjectionDisallowed,
		VolumeClaimTemplatesPolicy: InjectionDisallowed,
	}
	setTemplate := SandboxTemplateSpec{
		NetworkPolicyManagement:    NetworkPolicyUnmanaged,
		EnvVarsInjectionPolicy:     InjectionAllowed,
		VolumeClaimTemplatesPolicy: InjectionOverrides,
	}
	pool := SandboxWarmPoolSpec{Replicas: ptr.To[int32](1), UpdateStrategy: SandboxWarmPoolUpdateStrategy{Type: OnReplenishStrategy}}
	setPool := SandboxWarmPoolSpec{Replicas: ptr.To[int32](0), UpdateStrategy: SandboxWarmPoolUpdateStrategy{Type: RecreateStrategy}}
	rolling := func(maxUnavailable intstr.IntOrString) SandboxWarmPoolUpdateStrategy {
		return SandboxWarmPoolUpdateStrategy{
			Type:          RollingUpdateStrategy,
			RollingUpdate: &RollingUpdateSandboxWarmPool{MaxUnavailable: &maxUnavailable},
		}
	}
	claim := SandboxClaimSpec{OnEmptyPool: OnEmptyPoolColdStart}
	setClaim := SandboxClaimSpec{
		OnEmptyPool: OnEmptyPoolWait,
		Lifecycle:   &SandboxClaimLifecycle{ShutdownPolicy: SandboxClaimShutdownDeleteForeground},
	}
	tests := []struct {
		name     string
		in, want runtime.Object
	}{
		{name: "sandbox", in: &Sandbox{Spec: SandboxSpec{PodTemplate: pod}}, want: &Sandbox{Spec: sandbox}},
		{
			name: "sandbox with an empty retention policy",
			in:   &Sandbox{Spec: SandboxSpec{PodTemplate: pod, PersistentVolumeClaimRetentionPolicy: &PersistentVolumeClaimRetentionPolicy{}}},
			want: &Sandbox{Spec: sandbox},
		},
		{name: "sandbox, all set", in: &Sandbox{Spec: setSandbox}, want: &Sandbox{Spec: setSandbox}},
		{name: "template", in: &SandboxTemplate{Spec: SandboxTemplateSpec{PodTemplate: pod}}, want: &SandboxTemplate{Spec: template}},
		{name: "template, all set", in: &SandboxTemplate{Spec: setTemplate}, want: &SandboxTemplate{Spec: setTemplate}},
		{name: "pool", in: &SandboxWarmPool{}, want: &SandboxWarmPool{Spec: pool}},
		{name: "pool, all set", in: &SandboxWarmPool{Spec: setPool}, want: &SandboxWarmPool{Spec: setPool}},
		{
			name: "rolling pool",
			in:   &SandboxWarmPool{Spec: SandboxWarmPoolSpec{UpdateStrategy: SandboxWarmPoolUpdateStrategy{Type: RollingUpdateStrategy}}},
			want: &SandboxWarmPool{Spec: SandboxWarmPoolSpec{Replicas: ptr.To[int32](1), UpdateStrategy: rolling(intstr.FromString("25%"))}},
		},
		{
			name: "rolling pool with a bound",
			in:   &SandboxWarmPool{Spec: SandboxWarmPoolSpec{UpdateStrategy: rolling(intstr.FromInt32(0))}},
			want: &SandboxWarmPool{Spec: SandboxWarmPoolSpec{Replicas: ptr.To[int32](1), UpdateStrategy: rolling(intstr.FromInt32(0))}},
		},
		{name: "claim", in: &SandboxClaim{}, want: &SandboxClaim{Spec: claim}},
		{
			name: "claim with an empty lifecycle",
			in:   &SandboxClaim{Spec: SandboxClaimSpec{Lifecycle: &SandboxClaimLifecycle{}}},
			want: &SandboxClaim{Spec: SandboxClaimSpec{
				OnEmptyPool: OnEmptyPoolColdStart,
				Lifecycle:   &SandboxClaimLifecycle{ShutdownPolicy: SandboxClaimShutdownRetain},
			}},
		},
		{name: "claim, all set", in: &SandboxClaim{Spec: setClaim}, want: &SandboxClaim{Spec: setClaim}},
		{
			name: "sandboxes of a list",
			in:   &SandboxList{Items: []Sandbox{{Spec: SandboxSpec{PodTemplate: pod}}, {Spec: setSandbox}}},
			want: &SandboxList{Items: []Sandbox{{Spec: sandbox}, {Spec: setSandbox}}},
		},
		{
			name: "templates of a list",
			in:   &SandboxTemplateList{Items: []SandboxTemplate{{Spec: SandboxTemplateSpec{PodTemplate: pod}}}},
			want: &SandboxTemplateList{Items: []SandboxTemplate{{Spec: template}}},
		},
		{name: "pools of a list", in: &SandboxWarmPoolList{Items: []SandboxWarmPool{{}}}, want: &SandboxWarmPoolList{Items: []SandboxWarmPool{{Spec: pool}}}},
		{name: "claims of a list", in: &SandboxClaimList{Items: []SandboxClaim{{}}}, want: &SandboxClaimList{Items: []SandboxClaim{{Spec: claim}}}},
	}
	scheme := testScheme(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := test.in.DeepCopyObject()
			scheme.Default(got)
			assert.Equal(t, test.want, got)

			scheme.Default(got)
			assert.Equal(t, test.want, got, "defaulting twice is not defaulting once")
		})
	}
}
