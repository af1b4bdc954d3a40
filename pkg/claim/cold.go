// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/apiserver/pkg/util/dryrun"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/storage/transaction"
)

// cold answers a claim with a Sandbox that is made in the same transaction.
type cold struct {
	*Claimer
	template *v1beta1.SandboxTemplate
	pool     *v1beta1.SandboxWarmPool
	options  *metav1.CreateOptions
	// because is whether the pool was empty or the claim wants what no warm Sandbox has.
	because how
	// made is the Sandbox of the claim that is being stored.
	made *sandbox.Sandbox
	// taken says that its name was.
	taken bool
}

func (c *Claimer) newCold(ctx context.Context, r Request, pool *sandbox.SandboxWarmPool) (launch, error) {
	template, err := c.template(ctx, r, pool)
	if err != nil {
		return nil, err
	}
	l := &cold{Claimer: c, template: &v1beta1.SandboxTemplate{}, pool: &v1beta1.SandboxWarmPool{}, options: r.Options, because: coldly}
	if forcesColdStart(r.Claim) {
		l.because = customly
	}
	if err := v1beta1.Convert_sandbox_SandboxTemplate_To_v1beta1_SandboxTemplate(template, l.template, nil); err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("converting SandboxTemplate %q: %w", template.Name, err))
	}
	if err := v1beta1.Convert_sandbox_SandboxWarmPool_To_v1beta1_SandboxWarmPool(pool, l.pool, nil); err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("converting SandboxWarmPool %q: %w", pool.Name, err))
	}
	return l, nil
}

func (l *cold) how() how { return l.because }

// begin renders the Sandbox for the claim under its final name and UID.
func (l *cold) begin(_ context.Context, claim *sandbox.SandboxClaim) error {
	by := &v1beta1.SandboxClaim{}
	if err := v1beta1.Convert_sandbox_SandboxClaim_To_v1beta1_SandboxClaim(claim, by, nil); err != nil {
		return apierrors.NewInternalError(fmt.Errorf("converting SandboxClaim %q: %w", claim.Name, err))
	}
	// The status names the Sandbox, so its name is made here and not by its store.
	name := names.SimpleNameGenerator.GenerateName(claim.Name + "-")
	rendered, errs := render.ForClaim(l.template, l.pool, by, name)
	if len(errs) > 0 {
		return invalid(claim, errs...)
	}
	l.Defaulter.Default(rendered)
	l.made = &sandbox.Sandbox{}
	if err := v1beta1.Convert_v1beta1_Sandbox_To_sandbox_Sandbox(rendered, l.made, nil); err != nil {
		return apierrors.NewInternalError(fmt.Errorf("converting Sandbox %q: %w", name, err))
	}
	claim.Status = coldStatus(max(claim.Generation, 1), name, render.FQDN(rendered, l.ClusterDomain), l.Now())
	return nil
}

// bind creates the Sandbox after its own admission.
func (l *cold) bind(ctx context.Context) error {
	sbx := l.made.DeepCopy()
	validate, err := l.Admission.Admit(ctx, "sandboxes", sbx, dryrun.IsDryRun(l.options.DryRun))
	if err != nil {
		return err
	}
	_, err = l.Sandboxes.Create(ctx, sbx, validate, &metav1.CreateOptions{DryRun: l.options.DryRun})
	l.taken = apierrors.IsAlreadyExists(err)
	return err
}

// end asks for another attempt, under another name, when the name was taken.
func (l *cold) end(outcome transaction.Outcome, err error) error {
	if outcome == transaction.NotCommitted && l.taken {
		return errNameTaken
	}
	return err
}

// nameless refuses a claim for which no name of a Sandbox was found. It is no
// AlreadyExists, from which a client would conclude that the claim is stored.
func nameless(claim string) error {
	err := apierrors.NewServiceUnavailable(fmt.Sprintf("no free name was found for the Sandbox of claim %q: nothing is stored, repeat the request", claim))
	err.ErrStatus.Details = &metav1.StatusDetails{Group: sandbox.GroupName, Kind: "sandboxclaims", Name: claim, RetryAfterSeconds: retryAfterSeconds}
	return err
}
