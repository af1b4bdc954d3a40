// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"errors"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// existing answers a repeated call with the claim that is stored, or nil if
// there is none. The same name with another spec is 409.
func (c *Claimer) existing(ctx context.Context, r Request) (*sandbox.SandboxClaim, error) {
	// Not from the watch cache: a claim that has just been deleted is no answer.
	obj, err := c.Claims.Get(ctx, r.Claim.Name, &metav1.GetOptions{})
	stored, _ := obj.(*sandbox.SandboxClaim)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case r.UID != "" && r.UID != stored.UID:
		return nil, conflict(stored.Name, "the claim of this name has UID "+string(stored.UID))
	case stored.DeletionTimestamp != nil:
		return nil, conflict(stored.Name, "a claim of this name is being deleted: wait until it is gone, or use another name")
	case !apiequality.Semantic.DeepEqual(stored.Spec, r.Claim.Spec):
		return nil, conflict(stored.Name, "a claim of this name has another spec: use another name, or delete it first")
	case decided(stored) || !byServer(ctx):
		return stored.DeepCopy(), nil
	}
	return c.serve(ctx, r, stored.DeepCopy())
}

func conflict(name, why string) error {
	return apierrors.NewConflict(sandbox.Resource("sandboxclaims"), name, errors.New(why))
}

// decided says whether a claim has had its Sandbox, which it may have lost since:
// it never gets another one.
func decided(claim *sandbox.SandboxClaim) bool { return claim.Status.Sandbox != nil }

// byServer says whether the call comes from our own controllers.
func byServer(ctx context.Context) bool {
	caller, ok := request.UserFrom(ctx)
	return ok && caller.GetName() == user.APIServerUser
}

// serve gives a waiting claim what is available by now, or returns it as it is.
func (c *Claimer) serve(ctx context.Context, r Request, stored *sandbox.SandboxClaim) (*sandbox.SandboxClaim, error) {
	pool, err := c.pool(ctx, r)
	if err != nil {
		return nil, err
	}
	for lost := 0; lost <= maxRaces; lost++ {
		l, err := picker{Claimer: c, pool: pool, reserve: c.Index.ReserveForWaiting, options: r.Options, lost: lost}.pick(ctx)
		if l == nil || err != nil {
			return stored, err
		}
		served, err := c.joinStatus(ctx, r, l)
		if !errors.Is(err, errLost) {
			return served, err
		}
		racesLost.Inc()
	}
	return stored, nil
}

// errServed says that a waiting claim got its Sandbox from somebody else.
var errServed = errors.New("the claim is bound already")

// joinStatus writes the status of a stored claim together with its Sandbox.
func (c *Claimer) joinStatus(ctx context.Context, r Request, l launch) (*sandbox.SandboxClaim, error) {
	var answer *sandbox.SandboxClaim
	update := rest.DefaultUpdatedObjectInfo(nil, func(ctx context.Context, _, old runtime.Object) (runtime.Object, error) {
		claim := old.DeepCopyObject().(*sandbox.SandboxClaim)
		if r.UID != "" && claim.UID != r.UID {
			return nil, conflict(claim.Name, "the claim of this name has UID "+string(claim.UID))
		}
		if decided(claim) || claim.DeletionTimestamp != nil {
			answer = claim
			return nil, errServed
		}
		return claim, l.begin(ctx, claim)
	})
	store := func(ctx context.Context) error {
		const allowCreate = false
		obj, _, err := c.ClaimStatus.Update(ctx, r.Claim.Name, update, rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, allowCreate,
			&metav1.UpdateOptions{DryRun: r.Options.DryRun})
		if err == nil {
			answer = obj.(*sandbox.SandboxClaim)
		}
		return err
	}
	err := c.together(ctx, l, store, dryrun.IsDryRun(r.Options.DryRun))
	if errors.Is(err, errServed) {
		err = nil
	}
	return answer, err
}
