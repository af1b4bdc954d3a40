// SPDX-License-Identifier: Apache-2.0

package template

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// apply makes the one write that the plan may have. An update carries the
// resourceVersion, a delete the UID as well, of what was looked at.
func (c *Controller) apply(ctx context.Context, run *pass) error {
	policies := c.Kube.NetworkingV1().NetworkPolicies(run.key.Namespace)
	current := run.seen.policy
	switch run.plan.policy {
	case create:
		wanted := render.NetworkPolicy(run.template)
		if _, err := policies.Create(ctx, wanted, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("creating NetworkPolicy %q: %w", wanted.Name, err)
		}
	case repair:
		if _, err := policies.Update(ctx, repaired(current, render.NetworkPolicy(run.template)), metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("repairing NetworkPolicy %q: %w", current.Name, err)
		}
	case remove:
		err := policies.Delete(ctx, current.Name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &current.UID, ResourceVersion: &current.ResourceVersion},
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting NetworkPolicy %q: %w", current.Name, err)
		}
	}
	return nil
}
