// SPDX-License-Identifier: Apache-2.0

package sandboxclaim

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/claim"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var (
	_ rest.StandardStorage      = &REST{}
	_ rest.ShortNamesProvider   = &REST{}
	_ rest.CategoriesProvider   = &REST{}
	_ rest.StorageWithReadiness = &REST{}
)

// Claimer answers new claims; claim.Claimer is the one.
type Claimer interface {
	Claim(ctx context.Context, r claim.Request) (*sandbox.SandboxClaim, error)
}

// REST serves sandboxclaims.
type REST struct {
	*genericregistry.Store
	claimer Claimer
}

// NewREST serves the storage; creates go to the claimer.
func NewREST(storage *Storage, claimer Claimer) *REST {
	return &REST{Store: storage.Store, claimer: claimer}
}

// ShortNames are what kubectl accepts for sandboxclaims.
func (*REST) ShortNames() []string { return []string{"sbc"} }

// Categories puts sandboxclaims into kubectl get agents.
func (*REST) Categories() []string { return []string{"agents"} }

// Create answers with the outcome: the claim is Bound already, and Ready if a
// Sandbox of the pool was available.
func (r *REST) Create(ctx context.Context, obj runtime.Object, admit rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	answer, err := r.claimer.Claim(ctx, claim.Request{Claim: obj.(*sandbox.SandboxClaim), Admit: admit, Options: options})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// Update changes a stored claim. Server-side apply of a name that is not there is
// a create, with the outcome as its answer.
func (r *REST) Update(
	ctx context.Context, name string, info rest.UpdatedObjectInfo, admit rest.ValidateObjectFunc, admitUpdate rest.ValidateObjectUpdateFunc,
	mayCreate bool, options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	const allowCreate = false
	stored, _, err := r.Store.Update(ctx, name, info, admit, admitUpdate, allowCreate, options)
	if !mayCreate || !apierrors.IsNotFound(err) {
		return stored, false, err
	}
	obj, err := info.UpdatedObject(ctx, r.New())
	if err != nil {
		return nil, false, err
	}
	body := obj.(*sandbox.SandboxClaim)
	if body.Name != name {
		return nil, false, apierrors.NewBadRequest(fmt.Sprintf("metadata.name is %q: it must be that of the URL, %q", body.Name, name))
	}
	rest.WipeObjectMetaSystemFields(body)
	made, err := r.Create(ctx, body, admit, &metav1.CreateOptions{DryRun: options.DryRun, FieldManager: options.FieldManager, FieldValidation: options.FieldValidation})
	if apierrors.IsAlreadyExists(err) { // somebody else was faster: what was applied changes that claim
		return r.Store.Update(ctx, name, info, admit, admitUpdate, allowCreate, options)
	}
	return made, err == nil, err
}

// Storage is what is stored of sandboxclaims, over one store.
type Storage struct {
	// Store holds the claims; creates through it need a launch, see package claim.
	Store *genericregistry.Store
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
		BeginCreate:               begin,
		ResetFieldsStrategy:       main,
		TableConvertor:            table,
	}
	options := &generic.StoreOptions{RESTOptions: getter, AttrFunc: GetAttrs}
	if err := store.CompleteWithOptions(options); err != nil {
		return nil, fmt.Errorf("opening the store of sandboxclaims: %w", err)
	}
	return &Storage{Store: store, Status: subresource.NewStatusREST(store, statusStrategy{main})}, nil
}

// begin lets the launch that answers the claim fill its status.
func begin(ctx context.Context, obj runtime.Object, _ *metav1.CreateOptions) (genericregistry.FinishFunc, error) {
	return func(context.Context, bool) {}, claim.Begin(ctx, obj.(*sandbox.SandboxClaim))
}
