// SPDX-License-Identifier: Apache-2.0

package sandboxwarmpool

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/claim"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var (
	_ rest.NamedCreater                   = &ClaimREST{}
	_ rest.SubresourceObjectMetaPreserver = &ClaimREST{}
)

// ClaimREST serves POST sandboxwarmpools/NAME/claim: a SandboxClaim in, and out.
type ClaimREST struct {
	store   *genericregistry.Store
	claimer subresource.Claimer
}

// NewClaimREST claims from the pools of the storage.
func NewClaimREST(storage *Storage, claimer subresource.Claimer) *ClaimREST {
	return &ClaimREST{store: storage.SandboxWarmPool.Store, claimer: claimer}
}

// New returns the body of the call.
func (*ClaimREST) New() runtime.Object { return &sandbox.SandboxClaim{} }

// Destroy leaves the storage to the store that it is shared with.
func (*ClaimREST) Destroy() {}

// PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate lets metadata.uid say
// which stored claim is meant.
func (*ClaimREST) PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate() bool { return true }

// Create draws a Sandbox from the pool. It is idempotent by the name and the
// spec of the claim: repeated, it answers with the claim that is stored.
func (r *ClaimREST) Create(ctx context.Context, name string, obj runtime.Object, admit rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	if _, err := claim.Latest[*sandbox.SandboxWarmPool](ctx, r.store, name); err != nil {
		return nil, err
	}
	return subresource.Claim(ctx, r.claimer, name, claim.Request{Admit: admit, Options: options}, obj)
}
