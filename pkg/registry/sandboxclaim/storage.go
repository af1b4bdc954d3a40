// SPDX-License-Identifier: Apache-2.0

package sandboxclaim

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

// REST serves sandboxclaims.
type REST struct {
	*genericregistry.Store
}

// ShortNames are what kubectl accepts for sandboxclaims.
func (*REST) ShortNames() []string { return []string{"sbc"} }

// Categories puts sandboxclaims into kubectl get agents.
func (*REST) Categories() []string { return []string{"agents"} }

// Storage is everything that is served for sandboxclaims, over one store.
type Storage struct {
	// SandboxClaim serves the resource itself.
	SandboxClaim *REST
	// Status serves the status subresource.
	Status *subresource.StatusREST
}

// NewStorage opens the store. The caller owns the getter.
func NewStorage(typer runtime.ObjectTyper, getter generic.RESTOptionsGetter) (*Storage, error) {
	main := strategy{NamespacedStrategy: subresource.NewNamespacedStrategy(typer)}
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return &sandbox.SandboxClaim{} },
		NewListFunc:               func() runtime.Object { return &sandbox.SandboxClaimList{} },
		PredicateFunc:             match,
		DefaultQualifiedResource:  sandbox.Resource("sandboxclaims"),
		SingularQualifiedResource: sandbox.Resource("sandboxclaim"),
		CreateStrategy:            main,
		UpdateStrategy:            main,
		DeleteStrategy:            main,
		ResetFieldsStrategy:       main,
		TableConvertor:            table,
	}
	options := &generic.StoreOptions{RESTOptions: getter, AttrFunc: GetAttrs}
	if err := store.CompleteWithOptions(options); err != nil {
		return nil, fmt.Errorf("opening the store of sandboxclaims: %w", err)
	}
	return &Storage{
		SandboxClaim: &REST{store},
		Status:       subresource.NewStatusREST(store, statusStrategy{main}),
	}, nil
}
