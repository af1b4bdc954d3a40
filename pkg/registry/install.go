// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/claim"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/sandboxclaim"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/sandboxtemplate"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/sandboxwarmpool"
)

// Options are what the resources need to know of the server.
type Options struct {
	// Typer knows the kinds: the server's scheme.
	Typer runtime.ObjectTyper
	// Getter opens the storage of a resource.
	Getter generic.RESTOptionsGetter
	// MaxPoolReplicas bounds spec.replicas of every pool.
	MaxPoolReplicas int32
	// Claims is what claims need beside the stores, which are filled in here.
	Claims claim.Options
}

// NewStorage opens every store and returns what is served under which name.
func NewStorage(o Options) (map[string]rest.Storage, error) {
	sandboxes, err := sandbox.NewStorage(o.Typer, o.Getter)
	if err != nil {
		return nil, err
	}
	templates, err := sandboxtemplate.NewStorage(o.Typer, o.Getter)
	if err != nil {
		return nil, err
	}
	pools, err := sandboxwarmpool.NewStorage(o.Typer, o.Getter, o.MaxPoolReplicas)
	if err != nil {
		return nil, err
	}
	claims, err := sandboxclaim.NewStorage(o.Typer, o.Getter)
	if err != nil {
		return nil, err
	}
	o.Claims.Claims, o.Claims.ClaimStatus = claims.Store, claims.Status.Store()
	o.Claims.Sandboxes, o.Claims.Pools, o.Claims.Templates = sandboxes.ForClaims, pools.SandboxWarmPool, templates.SandboxTemplate
	claimer := claim.New(o.Claims)
	return map[string]rest.Storage{
		"sandboxes":               sandboxes.Sandbox,
		"sandboxes/status":        sandboxes.Status,
		"sandboxes/suspend":       sandboxes.Suspend,
		"sandboxes/resume":        sandboxes.Resume,
		"sandboxes/claim":         sandbox.NewClaimREST(sandboxes, claimer),
		"sandboxtemplates":        templates.SandboxTemplate,
		"sandboxtemplates/status": templates.Status,
		"sandboxwarmpools":        pools.SandboxWarmPool,
		"sandboxwarmpools/status": pools.Status,
		"sandboxwarmpools/scale":  pools.Scale,
		"sandboxwarmpools/claim":  sandboxwarmpool.NewClaimREST(pools, claimer),
		"sandboxclaims":           sandboxclaim.NewREST(claims, claimer),
		"sandboxclaims/status":    claims.Status,
	}, nil
}
