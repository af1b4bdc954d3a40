// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	sandboxclient "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/typed/sandbox/v1beta1"
)

// source is where objects are read from: the caches, or the API server.
type source struct {
	claim    func(ctx context.Context, namespace, name string) (*v1beta1.SandboxClaim, error)
	sandbox  func(ctx context.Context, namespace, name string) (*v1beta1.Sandbox, error)
	pool     func(ctx context.Context, namespace, name string) (*v1beta1.SandboxWarmPool, error)
	template func(ctx context.Context, namespace, name string) (*v1beta1.SandboxTemplate, error)
}

func cachedSource(o Options) source {
	return source{
		claim: func(_ context.Context, namespace, name string) (*v1beta1.SandboxClaim, error) {
			return o.Claims.Lister().SandboxClaims(namespace).Get(name)
		},
		sandbox: func(_ context.Context, namespace, name string) (*v1beta1.Sandbox, error) {
			return o.Sandboxes.Lister().Sandboxes(namespace).Get(name)
		},
		pool: func(_ context.Context, namespace, name string) (*v1beta1.SandboxWarmPool, error) {
			return o.Pools.Lister().SandboxWarmPools(namespace).Get(name)
		},
		template: func(_ context.Context, namespace, name string) (*v1beta1.SandboxTemplate, error) {
			return o.Templates.Lister().SandboxTemplates(namespace).Get(name)
		},
	}
}

func liveSource(client sandboxclient.SandboxV1beta1Interface) source {
	return source{
		claim: func(ctx context.Context, namespace, name string) (*v1beta1.SandboxClaim, error) {
			return client.SandboxClaims(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		sandbox: func(ctx context.Context, namespace, name string) (*v1beta1.Sandbox, error) {
			return client.Sandboxes(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		pool: func(ctx context.Context, namespace, name string) (*v1beta1.SandboxWarmPool, error) {
			return client.SandboxWarmPools(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		template: func(ctx context.Context, namespace, name string) (*v1beta1.SandboxTemplate, error) {
			return client.SandboxTemplates(namespace).Get(ctx, name, metav1.GetOptions{})
		},
	}
}

// gather reads what the claim depends on. sandbox is the name of the one that it
// should have.
func gather(ctx context.Context, from source, claim *v1beta1.SandboxClaim, sandbox string) (observed, error) {
	var seen observed
	if sandbox != "" {
		named, err := found(from.sandbox(ctx, claim.Namespace, sandbox))
		if err != nil {
			return seen, fmt.Errorf("reading Sandbox %q: %w", sandbox, err)
		}
		if named != nil && holds(claim, named) {
			seen.sandbox = named
		}
	}
	if stateOf(claim, seen) != waiting {
		return seen, nil
	}
	var err error
	if seen.pool, err = found(from.pool(ctx, claim.Namespace, claim.Spec.WarmPoolRef.Name)); err != nil {
		return seen, fmt.Errorf("reading SandboxWarmPool %q: %w", claim.Spec.WarmPoolRef.Name, err)
	}
	if seen.pool == nil {
		return seen, nil
	}
	template := seen.pool.Spec.SandboxTemplateRef.Name
	if seen.template, err = found(from.template(ctx, claim.Namespace, template)); err != nil {
		return seen, fmt.Errorf("reading SandboxTemplate %q: %w", template, err)
	}
	return seen, nil
}

// sandboxName is where to look for the claim's Sandbox. A Sandbox that has the
// claim's UID counts more than what the status says.
func (c *Controller) sandboxName(claim *v1beta1.SandboxClaim) string {
	stated := ""
	if claim.Status.Sandbox != nil {
		stated = claim.Status.Sandbox.Name
	}
	known := ""
	for _, sandbox := range c.namingClaim(cache.MetaObjectToName(claim)) {
		switch {
		case !holds(claim, sandbox):
		case sandbox.Name == stated:
			return stated
		case known == "" || sandbox.Name < known:
			known = sandbox.Name
		}
	}
	if known != "" {
		return known
	}
	return stated
}

// found turns "not found" into nil.
func found[T any](obj *T, err error) (*T, error) {
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return obj, nil
	}
}
