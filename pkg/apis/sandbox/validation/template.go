// SPDX-License-Identifier: Apache-2.0

package validation

import (
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// ValidateSandboxTemplate checks a template that is created.
func ValidateSandboxTemplate(t *sandbox.SandboxTemplate) field.ErrorList {
	errs := validateMetadata(&t.ObjectMeta)
	errs = append(errs, validateSandboxTemplateSpec(&t.Spec)...)
	return append(errs, validateSandboxTemplateSize(t)...)
}

// ValidateSandboxTemplateUpdate checks a change of a template. All of it may
// change: pools follow as their strategy says.
func ValidateSandboxTemplateUpdate(t, old *sandbox.SandboxTemplate) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&t.ObjectMeta, &old.ObjectMeta, metadataPath)
	if apiequality.Semantic.DeepEqual(t.Spec, old.Spec) {
		return errs
	}
	errs = append(errs, validateSandboxTemplateSpec(&t.Spec)...)
	return append(errs, validateSandboxTemplateSize(t)...)
}

// ValidateSandboxTemplateStatusUpdate checks what the controller reports.
func ValidateSandboxTemplateStatusUpdate(t, old *sandbox.SandboxTemplate) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&t.ObjectMeta, &old.ObjectMeta, metadataPath)
	return append(errs, metav1validation.ValidateConditions(t.Status.Conditions, statusPath.Child("conditions"))...)
}

func validateSandboxTemplateSpec(spec *sandbox.SandboxTemplateSpec) field.ErrorList {
	errs := validatePodTemplate(&spec.PodTemplate, specPath.Child("podTemplate"))
	errs = append(errs, validateVolumeClaimTemplates(spec.VolumeClaimTemplates, specPath.Child("volumeClaimTemplates"))...)
	if spec.NetworkPolicy != nil {
		errs = append(errs, validateNetworkPolicy(spec.NetworkPolicy, specPath.Child("networkPolicy"))...)
	}
	errs = append(errs, validateEnum(spec.NetworkPolicyManagement, specPath.Child("networkPolicyManagement"),
		sandbox.NetworkPolicyManaged, sandbox.NetworkPolicyUnmanaged)...)
	errs = append(errs, validateInjectionPolicy(spec.EnvVarsInjectionPolicy, specPath.Child("envVarsInjectionPolicy"))...)
	return append(errs, validateInjectionPolicy(spec.VolumeClaimTemplatesPolicy, specPath.Child("volumeClaimTemplatesPolicy"))...)
}

func validateInjectionPolicy(policy sandbox.InjectionPolicy, path *field.Path) field.ErrorList {
	return validateEnum(policy, path, sandbox.InjectionDisallowed, sandbox.InjectionAllowed, sandbox.InjectionOverrides)
}

func validateSandboxTemplateSize(t *sandbox.SandboxTemplate) field.ErrorList {
	stored := &v1beta1.SandboxTemplate{}
	if err := v1beta1.Convert_sandbox_SandboxTemplate_To_v1beta1_SandboxTemplate(t, stored, nil); err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	return validateSize(stored.Size(), MaxObjectBytes)
}
