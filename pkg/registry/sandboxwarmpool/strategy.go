// SPDX-License-Identifier: Apache-2.0

package sandboxwarmpool

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

// strategy says what users may write of a SandboxWarmPool: everything but its status.
type strategy struct {
	subresource.NamespacedStrategy
	maxReplicas int32
}

func (strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	pool := obj.(*sandbox.SandboxWarmPool)
	pool.Generation = 1
	pool.Status = sandbox.SandboxWarmPoolStatus{}
}

func (strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	pool, previous := obj.(*sandbox.SandboxWarmPool), old.(*sandbox.SandboxWarmPool)
	pool.Status = previous.Status
	if !apiequality.Semantic.DeepEqual(pool.Spec, previous.Spec) {
		pool.Generation = previous.Generation + 1
	}
}

func (s strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validation.ValidateSandboxWarmPool(obj.(*sandbox.SandboxWarmPool), s.maxReplicas)
}

func (s strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateSandboxWarmPoolUpdate(obj.(*sandbox.SandboxWarmPool), old.(*sandbox.SandboxWarmPool), s.maxReplicas)
}
