// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// addDefaultingFuncs is written by hand because defaulter-gen would descend into
// the PodSpec: stored podTemplates stay as the user wrote them.
func addDefaultingFuncs(scheme *runtime.Scheme) error {
	scheme.AddTypeDefaultingFunc(&Sandbox{}, func(obj any) { setDefaultsSandboxSpec(&obj.(*Sandbox).Spec) })
	scheme.AddTypeDefaultingFunc(&SandboxTemplate{}, func(obj any) { setDefaultsSandboxTemplateSpec(&obj.(*SandboxTemplate).Spec) })
	scheme.AddTypeDefaultingFunc(&SandboxWarmPool{}, func(obj any) { setDefaultsSandboxWarmPoolSpec(&obj.(*SandboxWarmPool).Spec) })
	scheme.AddTypeDefaultingFunc(&SandboxClaim{}, func(obj any) { setDefaultsSandboxClaimSpec(&obj.(*SandboxClaim).Spec) })
	scheme.AddTypeDefaultingFunc(&SandboxList{}, func(obj any) {
		for i := range obj.(*SandboxList).Items {
			setDefaultsSandboxSpec(&obj.(*SandboxList).Items[i].Spec)
		}
	})
	scheme.AddTypeDefaultingFunc(&SandboxTemplateList{}, func(obj any) {
		for i := range obj.(*SandboxTemplateList).Items {
			setDefaultsSandboxTemplateSpec(&obj.(*SandboxTemplateList).Items[i].Spec)
		}
	})
	scheme.AddTypeDefaultingFunc(&SandboxWarmPoolList{}, func(obj any) {
		for i := range obj.(*SandboxWarmPoolList).Items {
			setDefaultsSandboxWarmPoolSpec(&obj.(*SandboxWarmPoolList).Items[i].Spec)
		}
	})
	scheme.AddTypeDefaultingFunc(&SandboxClaimList{}, func(obj any) {
		for i := range obj.(*SandboxClaimList).Items {
			setDefaultsSandboxClaimSpec(&obj.(*SandboxClaimList).Items[i].Spec)
		}
	})
	return nil
}

// setDefaultsSandboxSpec fills what a Sandbox leaves open. The podTemplate is
// left as the user wrote it.
func setDefaultsSandboxSpec(spec *SandboxSpec) {
	setDefault(&spec.OperatingMode, SandboxRunning)
	setDefault(&spec.ShutdownPolicy, SandboxShutdownRetain)
	if spec.PersistentVolumeClaimRetentionPolicy == nil {
		spec.PersistentVolumeClaimRetentionPolicy = &PersistentVolumeClaimRetentionPolicy{}
	}
	setDefault(&spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted, PersistentVolumeClaimDelete)
}

// setDefaultsSandboxTemplateSpec fills what a template leaves open.
func setDefaultsSandboxTemplateSpec(spec *SandboxTemplateSpec) {
	setDefault(&spec.NetworkPolicyManagement, NetworkPolicyManaged)
	setDefault(&spec.EnvVarsInjectionPolicy, InjectionDisallowed)
	setDefault(&spec.VolumeClaimTemplatesPolicy, InjectionDisallowed)
}

// setDefaultsSandboxWarmPoolSpec fills what a pool leaves open.
func setDefaultsSandboxWarmPoolSpec(spec *SandboxWarmPoolSpec) {
	if spec.Replicas == nil {
		spec.Replicas = ptr.To[int32](1)
	}
	setDefault(&spec.UpdateStrategy.Type, OnReplenishStrategy)
	if spec.UpdateStrategy.Type != RollingUpdateStrategy {
		return
	}
	if spec.UpdateStrategy.RollingUpdate == nil {
		spec.UpdateStrategy.RollingUpdate = &RollingUpdateSandboxWarmPool{}
	}
	if spec.UpdateStrategy.RollingUpdate.MaxUnavailable == nil {
		spec.UpdateStrategy.RollingUpdate.MaxUnavailable = ptr.To(intstr.FromString("25%"))
	}
}

// setDefaultsSandboxClaimSpec fills what a claim leaves open.
func setDefaultsSandboxClaimSpec(spec *SandboxClaimSpec) {
	setDefault(&spec.OnEmptyPool, OnEmptyPoolColdStart)
	if spec.Lifecycle != nil {
		setDefault(&spec.Lifecycle.ShutdownPolicy, SandboxClaimShutdownRetain)
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
