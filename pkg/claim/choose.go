// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/component-base/tracing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/warmindex"
)

// retryAfterSeconds is what a rejected client is told: about the time in which
// a pool refills.
const retryAfterSeconds = 1

// choose decides how to answer: with a Sandbox that is available, or without.
// lost is how many races the claim has lost.
func (c *Claimer) choose(ctx context.Context, r Request, pool *sandbox.SandboxWarmPool, lost int) (launch, error) {
	ctx, span := tracing.Start(ctx, "Choose Sandbox")
	defer span.End(slow)
	if r.Sandbox != "" {
		return c.chooseVeryOne(ctx, r, pool, lost)
	}
	tired := lost > maxRaces && r.Claim.Spec.OnEmptyPool == sandbox.OnEmptyPoolColdStart
	if tired || forcesColdStart(r.Claim) {
		return c.withoutWarm(ctx, r, pool)
	}
	l, err := picker{Claimer: c, pool: pool, reserve: c.Index.Reserve, options: r.Options, lost: lost}.pick(ctx)
	if l != nil || err != nil {
		return l, err
	}
	return c.withoutWarm(ctx, r, pool)
}

// chooseVeryOne reserves the Sandbox that the URL names, or says why not. The
// index may be a moment behind, so etcd is asked before the answer is no.
func (c *Claimer) chooseVeryOne(ctx context.Context, r Request, pool *sandbox.SandboxWarmPool, lost int) (launch, error) {
	if forcesColdStart(r.Claim) {
		return nil, invalid(r.Claim, field.Forbidden(field.NewPath("spec"), "env and volumeClaimTemplates need a Sandbox of their own: claim from the pool instead"))
	}
	named := func(warmindex.Key) (reservation, bool) {
		return c.Index.ReserveNamed(warmindex.Key{Namespace: pool.Namespace, Name: r.Sandbox})
	}
	l, err := picker{Claimer: c, pool: pool, reserve: named, options: r.Options, lost: lost}.pick(ctx)
	if l != nil || err != nil {
		return l, err
	}
	fits, err := c.fitting(ctx, pool)
	if err != nil {
		return nil, err
	}
	obj, err := c.Sandboxes.Get(ctx, r.Sandbox, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	stored := obj.(*sandbox.Sandbox)
	if available(stored) && c.Withheld(stored.CreationTimestamp.Time) {
		return nil, apierrors.NewConflict(sandbox.Resource("sandboxes"), r.Sandbox,
			errors.New("it is withheld: it was made before etcd was restored, so somebody may use it; claim another one, or from the pool"))
	}
	if !available(stored) || !fits(stored) || c.Index.Waiting(poolKey(pool)) > 0 || lost > maxRaces {
		return nil, apierrors.NewConflict(sandbox.Resource("sandboxes"), r.Sandbox,
			fmt.Errorf("it is not an available Sandbox of pool %q: it is claimed, set aside for a claim that waits, of an earlier template, or not Ready", pool.Name))
	}
	return &warm{Claimer: c, options: r.Options, drawn: stored}, nil
}

// withoutWarm answers a claim for which nothing is available.
func (c *Claimer) withoutWarm(ctx context.Context, r Request, pool *sandbox.SandboxWarmPool) (launch, error) {
	policy := r.Claim.Spec.OnEmptyPool
	if forcesColdStart(r.Claim) && policy != sandbox.OnEmptyPoolColdStart {
		return nil, invalid(r.Claim, field.Invalid(field.NewPath("spec", "onEmptyPool"), policy,
			"env and volumeClaimTemplates always start a Sandbox cold: set ColdStart or leave them out"))
	}
	switch policy {
	case sandbox.OnEmptyPoolReject:
		return nil, apierrors.NewTooManyRequests(fmt.Sprintf("no Sandbox of pool %q is available and onEmptyPool is Reject: repeat the claim later", pool.Name), retryAfterSeconds)
	case sandbox.OnEmptyPoolWait:
		return &waiting{pool: pool.Name, now: c.Now}, nil
	}
	return c.newCold(ctx, r, pool)
}

// forcesColdStart says whether a claim wants what no warm Sandbox can have.
func forcesColdStart(claim *sandbox.SandboxClaim) bool {
	return len(claim.Spec.Env) > 0 || len(claim.Spec.VolumeClaimTemplates) > 0
}

// pool reads the pool that a claim names.
func (c *Claimer) pool(ctx context.Context, r Request) (*sandbox.SandboxWarmPool, error) {
	name, path := r.Claim.Spec.WarmPoolRef.Name, field.NewPath("spec", "warmPoolRef", "name")
	if name == "" {
		return nil, invalid(r.Claim, field.Required(path, "the SandboxWarmPool to claim from"))
	}
	pool, err := Latest[*sandbox.SandboxWarmPool](ctx, c.Pools, name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, invalid(r.Claim, field.NotFound(path, name))
	case err != nil:
		return nil, err
	case pool.DeletionTimestamp != nil:
		return nil, invalid(r.Claim, field.Invalid(path, name, "the pool is being deleted"))
	}
	return pool, nil
}

// template reads the template of a pool from etcd: a cold start is slow anyway, and
// whoever has just changed the template means what is there now.
func (c *Claimer) template(ctx context.Context, r Request, pool *sandbox.SandboxWarmPool) (*sandbox.SandboxTemplate, error) {
	name, path := pool.Spec.SandboxTemplateRef.Name, field.NewPath("spec", "warmPoolRef", "name")
	obj, err := c.Templates.Get(ctx, name, &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, invalid(r.Claim, field.Invalid(path, pool.Name, fmt.Sprintf("the template %q of the pool does not exist", name)))
	}
	if err != nil {
		return nil, err
	}
	return obj.(*sandbox.SandboxTemplate), nil
}

// Latest reads from the watch cache, and from etcd what is not there yet. The
// result may be shared with the cache: it must not be changed.
func Latest[T any](ctx context.Context, store rest.Getter, name string) (T, error) {
	obj, err := store.Get(ctx, name, &metav1.GetOptions{ResourceVersion: "0"})
	if apierrors.IsNotFound(err) {
		obj, err = store.Get(ctx, name, &metav1.GetOptions{})
	}
	if err != nil {
		var none T
		return none, err
	}
	return obj.(T), nil
}

func invalid(claim *sandbox.SandboxClaim, errs ...*field.Error) error {
	return apierrors.NewInvalid(sandbox.Kind("SandboxClaim"), claim.Name, errs)
}

func poolKey(pool *sandbox.SandboxWarmPool) warmindex.Key {
	return warmindex.Key{Namespace: pool.Namespace, Name: pool.Name}
}
