// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/validation"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var (
	_ rest.NamedCreater    = &ResumeREST{}
	_ rest.StorageMetadata = &ResumeREST{}
)

// ResumeREST serves POST sandboxes/NAME/resume: ResumeOptions in, Sandbox out.
type ResumeREST struct {
	store *genericregistry.Store
}

// New returns the body of the call.
func (*ResumeREST) New() runtime.Object { return &sandbox.ResumeOptions{} }

// Destroy leaves the storage to the store that it is shared with.
func (*ResumeREST) Destroy() {}

// ProducesMIMETypes adds none.
func (*ResumeREST) ProducesMIMETypes(string) []string { return nil }

// ProducesObject is the Sandbox, for OpenAPI.
func (*ResumeREST) ProducesObject(string) any { return v1beta1.Sandbox{} }

// Create makes the Sandbox Running. It is idempotent, and answers 409 Conflict
// when a precondition does not hold or the Sandbox has ended.
func (r *ResumeREST) Create(ctx context.Context, name string, obj runtime.Object, admit rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	body, err := subresource.BeginAction(ctx, subresource.Action[*sandbox.ResumeOptions]{
		Kind: sandbox.Kind("ResumeOptions"), Name: name, Object: obj, Validate: validation.ValidateResumeOptions, Admit: admit,
	})
	if err != nil {
		return nil, err
	}
	return setMode(ctx, r.store, modeChange{name: name, mode: sandbox.SandboxRunning, preconditions: body.Preconditions, options: options})
}
