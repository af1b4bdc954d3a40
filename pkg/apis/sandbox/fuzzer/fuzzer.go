// SPDX-License-Identifier: Apache-2.0

package fuzzer

import (
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/randfill"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// Funcs has a function for each type with defaults.
func Funcs(serializer.CodecFactory) []any {
	return []any{fillSandboxSpec, fillSandboxTemplateSpec, fillSandboxWarmPoolSpec, fillSandboxClaimSpec}
}

func fillSandboxSpec(spec *sandbox.SandboxSpec, c randfill.Continue) {
	c.FillNoCustom(spec)
	orDefault(&spec.OperatingMode, sandbox.SandboxRunning)
	orDefault(&spec.ShutdownPolicy, sandbox.SandboxShutdownRetain)
	if spec.PersistentVolumeClaimRetentionPolicy == nil {
		spec.PersistentVolumeClaimRetentionPolicy = &sandbox.PersistentVolumeClaimRetentionPolicy{}
	}
	orDefault(&spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted, sandbox.PersistentVolumeClaimDelete)
}

func fillSandboxTemplateSpec(spec *sandbox.SandboxTemplateSpec, c randfill.Continue) {
	c.FillNoCustom(spec)
	orDefault(&spec.NetworkPolicyManagement, sandbox.NetworkPolicyManaged)
	orDefault(&spec.EnvVarsInjectionPolicy, sandbox.InjectionDisallowed)
	orDefault(&spec.VolumeClaimTemplatesPolicy, sandbox.InjectionDisallowed)
}

func fillSandboxWarmPoolSpec(spec *sandbox.SandboxWarmPoolSpec, c randfill.Continue) {
	c.FillNoCustom(spec)
	if spec.Replicas == nil {
		spec.Replicas = ptr.To[int32](1)
	}
	strategy := &spec.UpdateStrategy
	// A random word would never meet the strategy that has defaults of its own.
	if c.Bool() {
		strategy.Type = sandbox.RollingUpdateStrategy
	}
	orDefault(&strategy.Type, sandbox.OnReplenishStrategy)
	if strategy.Type != sandbox.RollingUpdateStrategy {
		return
	}
	if strategy.RollingUpdate == nil {
		strategy.RollingUpdate = &sandbox.RollingUpdateSandboxWarmPool{}
	}
	if strategy.RollingUpdate.MaxUnavailable == nil {
		strategy.RollingUpdate.MaxUnavailable = ptr.To(intstr.FromString("25%"))
	}
}

func fillSandboxClaimSpec(spec *sandbox.SandboxClaimSpec, c randfill.Continue) {
	c.FillNoCustom(spec)
	orDefault(&spec.OnEmptyPool, sandbox.OnEmptyPoolColdStart)
	if spec.Lifecycle != nil {
		orDefault(&spec.Lifecycle.ShutdownPolicy, sandbox.SandboxClaimShutdownRetain)
	}
}

func orDefault[T ~string](field *T, value T) {
	if *field == "" {
		*field = value
	}
}
