// SPDX-License-Identifier: Apache-2.0

package sandboxclaim

import (
	"context"
	"time"

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

// strategy says what users may write of a SandboxClaim: everything but its status.
type strategy struct {
	subresource.NamespacedStrategy
}

func (strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	// The status that a user sent has been replaced by then, see claim.Begin.
	obj.(*sandbox.SandboxClaim).Generation = 1
}

func (strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	claim, previous := obj.(*sandbox.SandboxClaim), old.(*sandbox.SandboxClaim)
	claim.Status = previous.Status
	if !apiequality.Semantic.DeepEqual(claim.Spec, previous.Spec) {
		claim.Generation = previous.Generation + 1
	}
}

func (strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validation.ValidateSandboxClaim(obj.(*sandbox.SandboxClaim), time.Now())
}

func (strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateSandboxClaimUpdate(obj.(*sandbox.SandboxClaim), old.(*sandbox.SandboxClaim), time.Now())
}
