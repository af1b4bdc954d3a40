// SPDX-License-Identifier: Apache-2.0

package validation

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// ValidateSuspendOptions checks the body of a suspend. That its name is the
// Sandbox's is for the caller to check, who knows the URL.
func ValidateSuspendOptions(o *sandbox.SuspendOptions) field.ErrorList {
	return validatePreconditions(o.Preconditions)
}

// ValidateResumeOptions checks the body of a resume, as ValidateSuspendOptions.
func ValidateResumeOptions(o *sandbox.ResumeOptions) field.ErrorList {
	return validatePreconditions(o.Preconditions)
}

// validatePreconditions refuses empty values: they look like "any" and would
// never hold.
func validatePreconditions(p *metav1.Preconditions) field.ErrorList {
	if p == nil {
		return nil
	}
	const leaveOut = "must not be empty: leave it out when any will do"
	path := field.NewPath("preconditions")
	var errs field.ErrorList
	if p.UID != nil && *p.UID == "" {
		errs = append(errs, field.Invalid(path.Child("uid"), "", leaveOut))
	}
	if p.ResourceVersion != nil && *p.ResourceVersion == "" {
		errs = append(errs, field.Invalid(path.Child("resourceVersion"), "", leaveOut))
	}
	return errs
}
