// SPDX-License-Identifier: Apache-2.0

package subresource

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/claim"
)

// Claimer answers claims; claim.Claimer is the one.
type Claimer interface {
	ClaimOnce(ctx context.Context, r claim.Request) (*sandbox.SandboxClaim, error)
}

// Claim is the body of both claim actions: the claim that was posted draws from
// the pool that the URL leads to, which it may leave out or must name.
func Claim(ctx context.Context, claimer Claimer, pool string, r claim.Request, obj runtime.Object) (runtime.Object, error) {
	body, ok := obj.(*sandbox.SandboxClaim)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the body is a %T, want a SandboxClaim", obj))
	}
	r.Claim, r.UID = body.DeepCopy(), body.UID
	rest.WipeObjectMetaSystemFields(r.Claim)
	named := &r.Claim.Spec.WarmPoolRef.Name
	if *named == "" {
		*named = pool
	}
	if *named != pool {
		return nil, apierrors.NewInvalid(sandbox.Kind("SandboxClaim"), body.Name, field.ErrorList{
			field.Invalid(field.NewPath("spec", "warmPoolRef", "name"), *named, fmt.Sprintf("the URL leads to pool %q: leave the field out or make it the same", pool)),
		})
	}
	answer, err := claimer.ClaimOnce(ctx, r)
	if err != nil {
		return nil, err
	}
	return answer, nil
}
