// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// ValidateSandboxClaim checks a claim that is created. Whether the template's
// policies allow its env and volumes is known only once its pool is.
func ValidateSandboxClaim(c *sandbox.SandboxClaim, now time.Time) field.ErrorList {
	errs := validateMetadata(&c.ObjectMeta)
	errs = append(errs, validateSandboxClaimSpec(&c.Spec)...)
	errs = append(errs, validateFuture(claimShutdownTime(c), now, specPath.Child("lifecycle", "shutdownTime"))...)
	return append(errs, validateSandboxClaimSize(c)...)
}

// ValidateSandboxClaimUpdate checks a change of a claim: only its lifecycle may
// change.
func ValidateSandboxClaimUpdate(c, old *sandbox.SandboxClaim, now time.Time) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&c.ObjectMeta, &old.ObjectMeta, metadataPath)
	if apiequality.Semantic.DeepEqual(c.Spec, old.Spec) {
		return errs
	}
	errs = append(errs, validateSandboxClaimImmutable(&c.Spec, &old.Spec)...)
	errs = append(errs, validateSandboxClaimSpec(&c.Spec)...)
	errs = append(errs, validateNewTime(claimShutdownTime(c), claimShutdownTime(old), now, specPath.Child("lifecycle", "shutdownTime"))...)
	return append(errs, validateSandboxClaimSize(c)...)
}

// ValidateSandboxClaimStatusUpdate checks what the server reports of a claim.
func ValidateSandboxClaimStatusUpdate(c, old *sandbox.SandboxClaim) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&c.ObjectMeta, &old.ObjectMeta, metadataPath)
	errs = append(errs, metav1validation.ValidateConditions(c.Status.Conditions, statusPath.Child("conditions"))...)
	held, path := c.Status.Sandbox, statusPath.Child("sandbox")
	if held == nil {
		return errs
	}
	errs = append(errs, validateName(held.Name, path.Child("name"), "the Sandbox that the claim holds")...)
	errs = append(errs, validatePodIPs(held.PodIPs, path.Child("podIPs"))...)
	return append(errs, validateEnum(held.LaunchType, path.Child("launchType"), sandbox.LaunchWarm, sandbox.LaunchCold)...)
}

func claimShutdownTime(c *sandbox.SandboxClaim) *metav1.Time {
	if c.Spec.Lifecycle == nil {
		return nil
	}
	return c.Spec.Lifecycle.ShutdownTime
}

func validateSandboxClaimImmutable(spec, old *sandbox.SandboxClaimSpec) field.ErrorList {
	const instead = "only spec.lifecycle may change, create another claim"
	errs := validateImmutable(spec.WarmPoolRef, old.WarmPoolRef, specPath.Child("warmPoolRef"), instead)
	errs = append(errs, validateImmutable(spec.AdditionalPodMetadata, old.AdditionalPodMetadata, specPath.Child("additionalPodMetadata"), instead)...)
	errs = append(errs, validateImmutable(spec.Env, old.Env, specPath.Child("env"), instead)...)
	errs = append(errs, validateImmutable(spec.VolumeClaimTemplates, old.VolumeClaimTemplates, specPath.Child("volumeClaimTemplates"), instead)...)
	return append(errs, validateImmutable(spec.OnEmptyPool, old.OnEmptyPool, specPath.Child("onEmptyPool"), instead)...)
}

func validateSandboxClaimSpec(spec *sandbox.SandboxClaimSpec) field.ErrorList {
	errs := validateName(spec.WarmPoolRef.Name, specPath.Child("warmPoolRef", "name"), "the SandboxWarmPool to claim from")
	if spec.Lifecycle != nil {
		errs = append(errs, validateLifecycle(spec.Lifecycle, specPath.Child("lifecycle"))...)
	}
	errs = append(errs, validatePodMetadata(&spec.AdditionalPodMetadata, specPath.Child("additionalPodMetadata"))...)
	errs = append(errs, validateEnv(spec.Env, specPath.Child("env"))...)
	errs = append(errs, validateVolumeClaimTemplates(spec.VolumeClaimTemplates, specPath.Child("volumeClaimTemplates"))...)
	return append(errs, validateEnum(spec.OnEmptyPool, specPath.Child("onEmptyPool"),
		sandbox.OnEmptyPoolColdStart, sandbox.OnEmptyPoolWait, sandbox.OnEmptyPoolReject)...)
}

func validateLifecycle(lifecycle *sandbox.SandboxClaimLifecycle, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if ttl := lifecycle.TTLSecondsAfterFinished; ttl != nil {
		errs = append(errs, validateNotNegative(int64(*ttl), path.Child("ttlSecondsAfterFinished"))...)
	}
	return append(errs, validateEnum(lifecycle.ShutdownPolicy, path.Child("shutdownPolicy"),
		sandbox.SandboxClaimShutdownDelete, sandbox.SandboxClaimShutdownDeleteForeground, sandbox.SandboxClaimShutdownRetain)...)
}

// validateEnv accepts the names that kube-apiserver accepts since 1.34: all of
// printable ASCII but "=".
func validateEnv(env []sandbox.SandboxEnvVar, path *field.Path) field.ErrorList {
	type target struct{ container, name string }
	var errs field.ErrorList
	seen := sets.New[target]()
	for i, v := range env {
		path := path.Index(i)
		if v.Name == "" {
			errs = append(errs, field.Required(path.Child("name"), "every variable needs a name"))
		} else {
			errs = append(errs, invalid(path.Child("name"), v.Name, utilvalidation.IsRelaxedEnvVarName(v.Name))...)
		}
		if v.ContainerName != "" {
			errs = append(errs, invalid(path.Child("containerName"), v.ContainerName, utilvalidation.IsDNS1123Label(v.ContainerName))...)
		}
		key := target{container: v.ContainerName, name: v.Name}
		if v.Name != "" && seen.Has(key) {
			errs = append(errs, field.Duplicate(path.Child("name"), v.Name))
		}
		seen.Insert(key)
	}
	return errs
}

func validateSandboxClaimSize(c *sandbox.SandboxClaim) field.ErrorList {
	stored := &v1beta1.SandboxClaim{}
	if err := v1beta1.Convert_sandbox_SandboxClaim_To_v1beta1_SandboxClaim(c, stored, nil); err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	return validateSize(stored.Size(), MaxClaimBytes)
}
