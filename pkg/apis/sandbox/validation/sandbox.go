// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// ValidateSandbox checks a Sandbox that a user creates.
func ValidateSandbox(s *sandbox.Sandbox, now time.Time) field.ErrorList {
	errs := forbidClaimRef(s.Spec.ClaimRef, nil)
	return append(errs, validateNewSandbox(s, now)...)
}

// ValidateSandboxUpdate checks what a user makes of a Sandbox.
func ValidateSandboxUpdate(s, old *sandbox.Sandbox, now time.Time) field.ErrorList {
	errs := forbidClaimRef(s.Spec.ClaimRef, old.Spec.ClaimRef)
	errs = append(errs, forbidReservedChanges(s.Labels, old.Labels, metadataPath.Child("labels"))...)
	return append(errs, validateChangedSandbox(s, old, now)...)
}

// forbidReservedChanges keeps a Sandbox under the policy of its template and in
// the books of its pool.
func forbidReservedChanges(labels, old map[string]string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, key := range sets.List(sets.KeySet(labels).Union(sets.KeySet(old))) {
		value, ok := labels[key]
		previous, had := old[key]
		if strings.HasPrefix(key, v1beta1.KeyPrefix) && (value != previous || ok != had) {
			errs = append(errs, field.Forbidden(path.Key(key), "keys under "+v1beta1.KeyPrefix+" belong to the server: leave it as it is"))
		}
	}
	return errs
}

// ValidateSandboxOfClaim checks a Sandbox that a claim makes: it has a claimRef.
func ValidateSandboxOfClaim(s *sandbox.Sandbox, now time.Time) field.ErrorList {
	return validateNewSandbox(s, now)
}

// ValidateSandboxClaimed checks what a claim makes of a Sandbox that nobody holds.
func ValidateSandboxClaimed(s, old *sandbox.Sandbox, now time.Time) field.ErrorList {
	errs := validateChangedSandbox(s, old, now)
	if old.Spec.ClaimRef != nil {
		errs = append(errs, forbidClaimRef(s.Spec.ClaimRef, old.Spec.ClaimRef)...)
	}
	return errs
}

// ValidateSandboxStatusUpdate checks what the controller reports.
func ValidateSandboxStatusUpdate(s, old *sandbox.Sandbox) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&s.ObjectMeta, &old.ObjectMeta, metadataPath)
	errs = append(errs, metav1validation.ValidateConditions(s.Status.Conditions, statusPath.Child("conditions"))...)
	return append(errs, validatePodIPs(s.Status.PodIPs, statusPath.Child("podIPs"))...)
}

// forbidClaimRef is kept apart from the rest because a claim may do what a user
// may not.
func forbidClaimRef(ref, old *sandbox.SandboxClaimReference) field.ErrorList {
	if apiequality.Semantic.DeepEqual(ref, old) {
		return nil
	}
	detail := "it is written by a claim: create a SandboxClaim, or POST one to sandboxes/NAME/claim"
	if old != nil {
		detail = "field is immutable: the Sandbox belongs to claim " + old.Name + ", delete that claim to release it"
	}
	return field.ErrorList{field.Forbidden(specPath.Child("claimRef"), detail)}
}

func validateNewSandbox(s *sandbox.Sandbox, now time.Time) field.ErrorList {
	errs := validateMetadata(&s.ObjectMeta)
	errs = append(errs, validateSandboxSpec(&s.Spec)...)
	errs = append(errs, validateFuture(s.Spec.ShutdownTime, now, specPath.Child("shutdownTime"))...)
	return append(errs, validateSandboxSize(s)...)
}

func validateChangedSandbox(s, old *sandbox.Sandbox, now time.Time) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&s.ObjectMeta, &old.ObjectMeta, metadataPath)
	if apiequality.Semantic.DeepEqual(s.Spec, old.Spec) {
		return errs
	}
	errs = append(errs, validateSandboxSpec(&s.Spec)...)
	errs = append(errs, validateNewTime(s.Spec.ShutdownTime, old.Spec.ShutdownTime, now, specPath.Child("shutdownTime"))...)
	errs = append(errs, validateImmutable(s.Spec.VolumeClaimTemplates, old.Spec.VolumeClaimTemplates,
		specPath.Child("volumeClaimTemplates"), "disks are made once, create another Sandbox")...)
	return append(errs, validateSandboxSize(s)...)
}

func validateSandboxSpec(spec *sandbox.SandboxSpec) field.ErrorList {
	errs := validatePodTemplate(&spec.PodTemplate, specPath.Child("podTemplate"))
	errs = append(errs, validateVolumeClaimTemplates(spec.VolumeClaimTemplates, specPath.Child("volumeClaimTemplates"))...)
	errs = append(errs, validateEnum(spec.OperatingMode, specPath.Child("operatingMode"),
		sandbox.SandboxRunning, sandbox.SandboxSuspended)...)
	errs = append(errs, validateEnum(spec.ShutdownPolicy, specPath.Child("shutdownPolicy"),
		sandbox.SandboxShutdownRetain, sandbox.SandboxShutdownDelete)...)
	if retention := spec.PersistentVolumeClaimRetentionPolicy; retention != nil {
		errs = append(errs, validateEnum(retention.WhenDeleted, specPath.Child("persistentVolumeClaimRetentionPolicy", "whenDeleted"),
			sandbox.PersistentVolumeClaimDelete, sandbox.PersistentVolumeClaimRetain)...)
	}
	return errs
}

func validateSandboxSize(s *sandbox.Sandbox) field.ErrorList {
	stored := &v1beta1.Sandbox{}
	if err := v1beta1.Convert_sandbox_Sandbox_To_v1beta1_Sandbox(s, stored, nil); err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	return validateSize(stored.Size(), MaxObjectBytes)
}
