// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/claim"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var _ rest.NamedCreater = &ClaimREST{}

// ClaimREST serves POST sandboxes/NAME/claim: a SandboxClaim in, and out.
type ClaimREST struct {
	store   *genericregistry.Store
	claimer subresource.Claimer
}

// NewClaimREST claims Sandboxes of the storage.
func NewClaimREST(storage *Storage, claimer subresource.Claimer) *ClaimREST {
	return &ClaimREST{store: storage.Sandbox.Store, claimer: claimer}
}

// New returns the body of the call.
func (*ClaimREST) New() runtime.Object { return &sandbox.SandboxClaim{} }

// Destroy leaves the storage to the store that it is shared with.
func (*ClaimREST) Destroy() {}

// Create claims that very Sandbox. It answers 409 Conflict when the Sandbox is
// not an available one of a pool.
func (r *ClaimREST) Create(ctx context.Context, name string, obj runtime.Object, admit rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	stored, err := r.store.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	pool, ok := stored.(*sandbox.Sandbox).Labels[v1beta1.WarmPoolLabel]
	if !ok {
		return nil, apierrors.NewConflict(r.store.DefaultQualifiedResource, name, fmt.Errorf("it belongs to no warm pool, so nobody can claim it"))
	}
	return subresource.Claim(ctx, r.claimer, pool, claim.Request{Sandbox: name, Admit: admit, Options: options}, obj)
}
