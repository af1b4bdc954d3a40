// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"strconv"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// ValidateSandboxWarmPool checks a pool that is created. A user who may not
// create Pods may create pools: maxReplicas, the server's bound, keeps one pool
// from asking for a storm of them.
func ValidateSandboxWarmPool(p *sandbox.SandboxWarmPool, maxReplicas int32) field.ErrorList {
	errs := validateMetadata(&p.ObjectMeta)
	return append(errs, validateSandboxWarmPoolSpec(&p.Spec, maxReplicas)...)
}

// ValidateSandboxWarmPoolUpdate checks a change of a pool, its scale included.
func ValidateSandboxWarmPoolUpdate(p, old *sandbox.SandboxWarmPool, maxReplicas int32) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&p.ObjectMeta, &old.ObjectMeta, metadataPath)
	if apiequality.Semantic.DeepEqual(p.Spec, old.Spec) {
		return errs
	}
	return append(errs, validateSandboxWarmPoolSpec(&p.Spec, maxReplicas)...)
}

// ValidateSandboxWarmPoolStatusUpdate checks what the controller reports.
func ValidateSandboxWarmPoolStatusUpdate(p, old *sandbox.SandboxWarmPool) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&p.ObjectMeta, &old.ObjectMeta, metadataPath)
	errs = append(errs, validateNotNegative(int64(p.Status.Replicas), statusPath.Child("replicas"))...)
	errs = append(errs, validateNotNegative(int64(p.Status.ReadyReplicas), statusPath.Child("readyReplicas"))...)
	errs = append(errs, validateNotNegative(int64(p.Status.StaleReplicas), statusPath.Child("staleReplicas"))...)
	errs = append(errs, validateNotNegative(p.Status.ObservedGeneration, statusPath.Child("observedGeneration"))...)
	return append(errs, metav1validation.ValidateConditions(p.Status.Conditions, statusPath.Child("conditions"))...)
}

func validateSandboxWarmPoolSpec(spec *sandbox.SandboxWarmPoolSpec, maxReplicas int32) field.ErrorList {
	var errs field.ErrorList
	if replicas := spec.Replicas; replicas != nil && (*replicas < 0 || *replicas > maxReplicas) {
		errs = append(errs, field.Invalid(specPath.Child("replicas"), *replicas,
			fmt.Sprintf("must be between 0 and %d, the bound of this server (--max-pool-replicas)", maxReplicas)))
	}
	errs = append(errs, validateName(spec.SandboxTemplateRef.Name, specPath.Child("sandboxTemplateRef", "name"),
		"the SandboxTemplate that the pool's Sandboxes are made from")...)
	return append(errs, validateUpdateStrategy(&spec.UpdateStrategy, specPath.Child("updateStrategy"))...)
}

func validateUpdateStrategy(strategy *sandbox.SandboxWarmPoolUpdateStrategy, path *field.Path) field.ErrorList {
	errs := validateEnum(strategy.Type, path.Child("type"),
		sandbox.OnReplenishStrategy, sandbox.RecreateStrategy, sandbox.RollingUpdateStrategy)
	rolling, rollingPath := strategy.RollingUpdate, path.Child("rollingUpdate")
	switch {
	case rolling == nil:
		return errs
	case strategy.Type != sandbox.RollingUpdateStrategy:
		return append(errs, field.Forbidden(rollingPath, fmt.Sprintf("may be set only when type is %q", sandbox.RollingUpdateStrategy)))
	case rolling.MaxUnavailable == nil:
		return errs
	default:
		return append(errs, validateMaxUnavailable(*rolling.MaxUnavailable, rollingPath.Child("maxUnavailable"))...)
	}
}

func validateMaxUnavailable(value intstr.IntOrString, path *field.Path) field.ErrorList {
	if value.Type == intstr.Int {
		return validateNotNegative(int64(value.IntVal), path)
	}
	if messages := utilvalidation.IsValidPercent(value.StrVal); len(messages) > 0 {
		return invalid(path, value.StrVal, messages)
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(value.StrVal, "%"))
	if err != nil || percent > 100 {
		return field.ErrorList{field.Invalid(path, value.StrVal, "must not be more than 100%")}
	}
	return nil
}
