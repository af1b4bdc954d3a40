// SPDX-License-Identifier: Apache-2.0

package sandboxtemplate

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
	template, previous := obj.(*sandbox.SandboxTemplate), old.(*sandbox.SandboxTemplate)
	template.Spec = previous.Spec
	metav1.ResetObjectMetaForStatus(template, previous)
}

func (statusStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateSandboxTemplateStatusUpdate(obj.(*sandbox.SandboxTemplate), old.(*sandbox.SandboxTemplate))
}
