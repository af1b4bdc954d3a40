// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var (
	_ rest.StandardStorage      = &REST{}
	_ rest.ShortNamesProvider   = &REST{}
	_ rest.CategoriesProvider   = &REST{}
	_ rest.StorageWithReadiness = &REST{}
)

// REST serves sandboxes.
type REST struct {
	*genericregistry.Store
}

// ShortNames are what kubectl accepts for sandboxes.
func (*REST) ShortNames() []string { return []string{"sbx"} }

// Categories puts sandboxes into kubectl get agents.
func (*REST) Categories() []string { return []string{"agents"} }

// Storage is everything that is served for sandboxes, over one store.
type Storage struct {
	// Sandbox serves the resource itself.
	Sandbox *REST
	// Status serves the status subresource.
	Status *subresource.StatusREST
	// Suspend and Resume serve the actions of those names.
	Suspend *SuspendREST
	Resume  *ResumeREST
	// ForClaims is the store under the strategy of claims.
	ForClaims *genericregistry.Store
}

// NewStorage opens the store. The caller owns the getter.
func NewStorage(typer runtime.ObjectTyper, getter generic.RESTOptionsGetter) (*Storage, error) {
	main := strategy{NamespacedStrategy: subresource.NewNamespacedStrategy(typer)}
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return &sandbox.Sandbox{} },
		NewListFunc:               func() runtime.Object { return &sandbox.SandboxList{} },
		PredicateFunc:             match,
		DefaultQualifiedResource:  sandbox.Resource("sandboxes"),
		SingularQualifiedResource: sandbox.Resource("sandbox"),
		CreateStrategy:            main,
		UpdateStrategy:            main,
		DeleteStrategy:            main,
		ResetFieldsStrategy:       main,
		TableConvertor:            table,
	}
	options := &generic.StoreOptions{RESTOptions: getter, AttrFunc: GetAttrs}
	if err := store.CompleteWithOptions(options); err != nil {
		return nil, fmt.Errorf("opening the store of sandboxes: %w", err)
	}
	forClaims := *store
	forClaims.CreateStrategy, forClaims.UpdateStrategy = claimStrategy{main}, claimStrategy{main}
	return &Storage{
		ForClaims: &forClaims,
		Sandbox:   &REST{store},
		Status:    subresource.NewStatusREST(store, statusStrategy{main}),
		Suspend:   newSuspendREST(store),
		Resume:    newResumeREST(store),
	}, nil
}
