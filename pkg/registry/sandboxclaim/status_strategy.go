// SPDX-License-Identifier: Apache-2.0

package sandboxclaim

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/validation"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var _ subresource.StatusStrategy = statusStrategy{}

// statusStrategy says what writers of the status may write: nothing else.
type statusStrategy struct {
	strategy
}

// GetResetFields keeps managers of the status off everything else.
func (statusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return subresource.ResetAllButStatus()
}

func (statusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	claim, previous := obj.(*sandbox.SandboxClaim), old.(*sandbox.SandboxClaim)
	claim.Spec = previous.Spec
	metav1.ResetObjectMetaForStatus(claim, previous)
}

func (statusStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateSandboxClaimStatusUpdate(obj.(*sandbox.SandboxClaim), old.(*sandbox.SandboxClaim))
}
