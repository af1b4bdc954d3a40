// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// apply writes the status first: a Sandbox that is shut down then has a claim that
// says why, and a refused write to the Sandbox does not keep the status back.
func (c *Controller) apply(ctx context.Context, run *pass) error {
	if run.reports() {
		if err := c.updateStatus(ctx, run); err != nil {
			return err
		}
	}
	if err := c.applyClaim(ctx, run); err != nil {
		return err
	}
	return c.applySandbox(ctx, run)
}

func (c *Controller) updateStatus(ctx context.Context, run *pass) error {
	updated := run.claim.DeepCopy()
	updated.Status = run.status
	written, err := found(c.Client.SandboxClaims(updated.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{}))
	if err != nil {
		return fmt.Errorf("writing the status of SandboxClaim %q: %w", updated.Name, err)
	}
	if written == nil { // there is nothing left to report on
		return nil
	}
	observeReady(run.claim, run.status, run.now)
	for _, e := range transitions(run.claim.Status.Conditions, run.status.Conditions) {
		c.record(run.claim, e)
	}
	return nil
}

// applyClaim deletes a claim whose lifetime is over. The resourceVersion keeps it
// from one that has just been extended.
func (c *Controller) applyClaim(ctx context.Context, run *pass) error {
	claim := run.claim
	options := metav1.DeleteOptions{Preconditions: exactly(claim)}
	switch run.plan.claim {
	case remove:
		options.PropagationPolicy = ptr.To(metav1.DeletePropagationBackground)
	case removeForeground:
		options.PropagationPolicy = ptr.To(metav1.DeletePropagationForeground)
	default:
		return nil
	}
	err := c.Client.SandboxClaims(claim.Namespace).Delete(ctx, claim.Name, options)
	if err != nil {
		return unlessGone("deleting SandboxClaim", claim.Name, err)
	}
	c.record(claim, expiredEvent("the lifetime of the claim is over: it is deleted"))
	return nil
}

func (c *Controller) applySandbox(ctx context.Context, run *pass) error {
	switch sandbox := run.seen.sandbox; run.plan.sandbox {
	case remove:
		return c.deleteSandbox(ctx, sandbox)
	case shutDown:
		patch, err := shutdownPatch(sandbox, c.Clock.Now())
		if err != nil {
			return fmt.Errorf("shutting down Sandbox %q: %w", sandbox.Name, err)
		}
		return c.patchSandbox(ctx, "shutting down Sandbox", sandbox, patch)
	case revive:
		return c.patchSandbox(ctx, "reviving Sandbox", sandbox, revivalPatch(sandbox, c.Clock.Now()))
	default:
		return nil
	}
}

// deleteSandbox leaves the rest to the finalizer of the Sandbox.
func (c *Controller) deleteSandbox(ctx context.Context, sandbox *v1beta1.Sandbox) error {
	err := c.Client.Sandboxes(sandbox.Namespace).Delete(ctx, sandbox.Name, metav1.DeleteOptions{Preconditions: exactly(sandbox)})
	return unlessGone("deleting Sandbox", sandbox.Name, err)
}

// patchSandbox is refused by the API server once the Sandbox is not the one that was
// looked at.
func (c *Controller) patchSandbox(ctx context.Context, doing string, sandbox *v1beta1.Sandbox, changes map[string]any) error {
	metadata := changes["metadata"].(map[string]any)
	metadata["uid"], metadata["resourceVersion"] = sandbox.UID, sandbox.ResourceVersion
	patch, err := json.Marshal(changes)
	if err != nil {
		return fmt.Errorf("%s %q: %w", doing, sandbox.Name, err)
	}
	_, err = c.Client.Sandboxes(sandbox.Namespace).Patch(ctx, sandbox.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return unlessGone(doing, sandbox.Name, err)
}

// exactly is the precondition that an object is the one that was looked at, unchanged.
func exactly(obj metav1.Object) *metav1.Preconditions {
	return &metav1.Preconditions{UID: ptr.To(obj.GetUID()), ResourceVersion: ptr.To(obj.GetResourceVersion())}
}

// unlessGone wraps an error, but for the one that there is nothing left to write to.
func unlessGone(doing, name string, err error) error {
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("%s %q: %w", doing, name, err)
}
