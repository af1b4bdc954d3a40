// SPDX-License-Identifier: Apache-2.0

package sandboxwarmpool

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var (
	_ rest.StandardStorage      = &REST{}
	_ rest.ShortNamesProvider   = &REST{}
	_ rest.CategoriesProvider   = &REST{}
	_ rest.StorageWithReadiness = &REST{}
)

// REST serves sandboxwarmpools.
type REST struct {
	*genericregistry.Store
}

// ShortNames are what kubectl accepts for sandboxwarmpools.
func (*REST) ShortNames() []string { return []string{"swp"} }

// Categories puts sandboxwarmpools into kubectl get agents.
func (*REST) Categories() []string { return []string{"agents"} }

// Storage is everything that is served for sandboxwarmpools, over one store.
type Storage struct {
	// SandboxWarmPool serves the resource itself.
	SandboxWarmPool *REST
	// Status serves the status subresource.
	Status *subresource.StatusREST
	// Scale serves the scale subresource.
	Scale *subresource.ScaleREST
}

// NewStorage opens the store. Pools may ask for at most maxReplicas.
func NewStorage(typer runtime.ObjectTyper, getter generic.RESTOptionsGetter, maxReplicas int32) (*Storage, error) {
	main := strategy{NamespacedStrategy: subresource.NewNamespacedStrategy(typer), maxReplicas: maxReplicas}
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return &sandbox.SandboxWarmPool{} },
		NewListFunc:               func() runtime.Object { return &sandbox.SandboxWarmPoolList{} },
		PredicateFunc:             match,
		DefaultQualifiedResource:  sandbox.Resource("sandboxwarmpools"),
		SingularQualifiedResource: sandbox.Resource("sandboxwarmpool"),
		CreateStrategy:            main,
		UpdateStrategy:            main,
		DeleteStrategy:            main,
		ResetFieldsStrategy:       main,
		TableConvertor:            table,
	}
	options := &generic.StoreOptions{RESTOptions: getter, AttrFunc: GetAttrs}
	if err := store.CompleteWithOptions(options); err != nil {
		return nil, fmt.Errorf("opening the store of sandboxwarmpools: %w", err)
	}
	return &Storage{
		SandboxWarmPool: &REST{store},
		Status:          subresource.NewStatusREST(store, statusStrategy{main}),
		Scale:           subresource.NewScaleREST(store, scalable{}, v1beta1.SchemeGroupVersion),
	}, nil
}
