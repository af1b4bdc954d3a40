// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/warmindex"
)

// picker finds a Sandbox of one pool for one claim.
type picker struct {
	*Claimer
	pool *sandbox.SandboxWarmPool
	// reserve is how the index is asked.
	reserve func(warmindex.Key) (reservation, bool)
	options *metav1.CreateOptions
	// lost is how many picks the claim has lost to others.
	lost int
}

// pick returns nil if the index has nothing for the claim. The caller ends the
// launch, which ends its reservation.
func (p picker) pick(ctx context.Context) (launch, error) {
	fits, err := p.fitting(ctx, p.pool)
	if err != nil {
		return nil, err
	}
	var passedOver []reservation
	defer func() {
		for _, reserved := range passedOver {
			reserved.Release()
		}
	}()
	for {
		reserved, ok := p.reserve(poolKey(p.pool))
		if !ok {
			return nil, nil
		}
		drawn, err := p.look(ctx, reserved)
		switch {
		case err != nil:
			reserved.Release()
			return nil, err
		case drawn == nil:
			reserved.Lost()
		case !fits(drawn):
			passedOver = append(passedOver, reserved)
		default:
			return &warm{Claimer: p.Claimer, reservation: reserved, options: p.options, drawn: drawn}, nil
		}
	}
}

// look is the Sandbox as the index has it, which costs nothing and is right but
// for races. Once too many were lost etcd is asked: nil then says that the
// Sandbox cannot be claimed.
func (p picker) look(ctx context.Context, reserved reservation) (*sandbox.Sandbox, error) {
	if p.lost < maxRaces {
		return hub(reserved.Entry().Payload)
	}
	obj, err := p.Sandboxes.Get(ctx, reserved.Entry().Payload.Name, &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	stored := obj.(*sandbox.Sandbox)
	if !available(stored) {
		return nil, nil
	}
	return stored, nil
}

// fitting tells the Sandboxes that belong to the pool from those that the index
// still has of a deleted pool of that name, from those that are withheld and, where
// the pool promises that no such Sandbox is given away, from those of an earlier
// template. The index knows of a change a moment later than etcd, so etcd is asked for
// the template. What is asked here of a Sandbox cannot change: its maker and its making.
func (c *Claimer) fitting(ctx context.Context, pool *sandbox.SandboxWarmPool) (func(*sandbox.Sandbox) bool, error) {
	ofPool := func(sbx *sandbox.Sandbox) bool {
		owner := metav1.GetControllerOfNoCopy(sbx)
		return owner != nil && owner.UID == pool.UID && !c.Withheld(sbx.CreationTimestamp.Time)
	}
	if pool.Spec.UpdateStrategy.Type != sandbox.RecreateStrategy {
		return ofPool, nil
	}
	obj, err := c.Templates.Get(ctx, pool.Spec.SandboxTemplateRef.Name, &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return func(*sandbox.Sandbox) bool { return false }, nil
	}
	if err != nil {
		return nil, err
	}
	template := &v1beta1.SandboxTemplate{}
	if err := v1beta1.Convert_sandbox_SandboxTemplate_To_v1beta1_SandboxTemplate(obj.(*sandbox.SandboxTemplate), template, nil); err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	hash := render.TemplateHash(template)
	return func(sbx *sandbox.Sandbox) bool { return ofPool(sbx) && sbx.Labels[v1beta1.TemplateHashLabel] == hash }, nil
}

// hub converts what the index has.
func hub(payload *v1beta1.Sandbox) (*sandbox.Sandbox, error) {
	converted := &sandbox.Sandbox{}
	if err := v1beta1.Convert_v1beta1_Sandbox_To_sandbox_Sandbox(payload, converted, nil); err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("converting Sandbox %q: %w", payload.Name, err))
	}
	return converted, nil
}
