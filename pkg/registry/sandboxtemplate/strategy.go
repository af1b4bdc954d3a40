// SPDX-License-Identifier: Apache-2.0

package sandboxtemplate

import (
	"context"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/validation"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var (
	_ rest.RESTCreateStrategy  = strategy{}
	_ rest.RESTUpdateStrategy  = strategy{}
	_ rest.RESTDeleteStrategy  = strategy{}
	_ rest.ResetFieldsStrategy = strategy{}
)

// strategy says what users may write of a SandboxTemplate: everything but its status.
type strategy struct {
	subresource.NamespacedStrategy
}

func (strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	template := obj.(*sandbox.SandboxTemplate)
	template.Generation = 1
	template.Status = sandbox.SandboxTemplateStatus{}
}

func (strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	template, previous := obj.(*sandbox.SandboxTemplate), old.(*sandbox.SandboxTemplate)
	template.Status = previous.Status
	if !apiequality.Semantic.DeepEqual(template.Spec, previous.Spec) {
		template.Generation = previous.Generation + 1
	}
}

func (strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validation.ValidateSandboxTemplate(obj.(*sandbox.SandboxTemplate))
}

func (strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateSandboxTemplateUpdate(obj.(*sandbox.SandboxTemplate), old.(*sandbox.SandboxTemplate))
}
