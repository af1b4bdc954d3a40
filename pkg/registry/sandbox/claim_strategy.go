// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/validation"
)

var (
	_ rest.RESTCreateStrategy = claimStrategy{}
	_ rest.RESTUpdateStrategy = claimStrategy{}
)

// claimStrategy says what a claim writes of a Sandbox: claimRef above all, which
// nobody else may.
type claimStrategy struct {
	strategy
}

// PrepareForUpdate keeps the generation: being claimed changes nothing of what
// runs, so the status goes on to speak of the current generation and the
// controller has nothing to write.
func (claimStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	obj.(*sandbox.Sandbox).Status = old.(*sandbox.Sandbox).Status
}

func (claimStrategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validation.ValidateSandboxOfClaim(obj.(*sandbox.Sandbox), time.Now())
}

func (claimStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateSandboxClaimed(obj.(*sandbox.Sandbox), old.(*sandbox.Sandbox), time.Now())
}
