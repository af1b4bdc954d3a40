// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/storage/transaction"
	"agents.x-k8s.io/sandbox-apiserver/pkg/warmindex"
)

// reservation is a Sandbox that this replica offers to nobody else meanwhile.
type reservation = warmindex.Reservation[*v1beta1.Sandbox]

// warm answers a claim with an available Sandbox of the pool.
type warm struct {
	*Claimer
	reservation reservation
	options     *metav1.CreateOptions
	// drawn is the Sandbox as the status of the claim describes it.
	drawn *sandbox.Sandbox
	// claim is the one that is being stored, with its final name and UID.
	claim *sandbox.SandboxClaim
	// revision is that of the Sandbox once it is written.
	revision uint64
	// lost says that what is stored is not what was drawn any more.
	lost bool
}

func (w *warm) how() how { return warmly }

func (w *warm) begin(_ context.Context, claim *sandbox.SandboxClaim) error {
	w.claim = claim
	if _, err := claimed(w.drawn, claim); err != nil {
		return err
	}
	claim.Status = warmStatus(max(claim.Generation, 1), w.drawn, w.Now())
	return nil
}

// bind writes the Sandbox if it still gives the answer that the claim is about
// to be stored with. Its store repeats that on a conflict, so a write of
// somebody else that changes nothing of it is no lost race.
func (w *warm) bind(ctx context.Context) error {
	update := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		stored := old.(*sandbox.Sandbox)
		w.lost = !available(stored) || !sameAnswer(stored, w.drawn)
		if w.lost {
			return nil, errLost
		}
		return claimed(stored, w.claim)
	})
	const allowCreate = false
	obj, _, err := w.Sandboxes.Update(ctx, w.drawn.Name, update, rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, allowCreate,
		&metav1.UpdateOptions{DryRun: w.options.DryRun})
	if err != nil {
		w.lost = w.lost || apierrors.IsNotFound(err) || apierrors.IsConflict(err)
		return err
	}
	// A revision of etcd is always a number; 0 would only make the index ask again.
	w.revision, _ = strconv.ParseUint(obj.(*sandbox.Sandbox).ResourceVersion, 10, 64)
	return nil
}

// end tells the index what came of the reservation. When the answer of etcd
// was lost, the Sandbox stays reserved to nobody: if it is claimed, the next
// one finds out.
func (w *warm) end(outcome transaction.Outcome, err error) error {
	defer w.reservation.Release()
	switch {
	case outcome == transaction.Committed:
		w.reservation.Confirm(w.revision)
	case outcome == transaction.NotCommitted && w.lost:
		w.reservation.Lost()
		return errLost
	}
	return err
}

// claimed returns what a claim makes of an available Sandbox.
func claimed(stored *sandbox.Sandbox, claim *sandbox.SandboxClaim) (*sandbox.Sandbox, error) {
	before, by, after := &v1beta1.Sandbox{}, &v1beta1.SandboxClaim{}, &sandbox.Sandbox{}
	if err := v1beta1.Convert_sandbox_Sandbox_To_v1beta1_Sandbox(stored, before, nil); err != nil {
		return nil, err
	}
	if err := v1beta1.Convert_sandbox_SandboxClaim_To_v1beta1_SandboxClaim(claim, by, nil); err != nil {
		return nil, err
	}
	taken, errs := render.Claimed(before, by)
	if len(errs) > 0 {
		return nil, invalid(claim, errs...)
	}
	return after, v1beta1.Convert_v1beta1_Sandbox_To_sandbox_Sandbox(taken, after, nil)
}
