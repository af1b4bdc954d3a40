// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var (
	_ rest.NamedCreater    = &ModeREST[*sandbox.SuspendOptions]{}
	_ rest.StorageMetadata = &ModeREST[*sandbox.SuspendOptions]{}
)

// ModeREST serves an action that gives a Sandbox a mode: T in, Sandbox out.
type ModeREST[T subresource.Body] struct {
	store *genericregistry.Store
	modeAction[T]
}

// modeAction is what suspend and resume do not have in common.
type modeAction[T subresource.Body] struct {
	kind          string
	mode          sandbox.SandboxOperatingMode
	newBody       func() T
	validate      func(T) field.ErrorList
	preconditions func(T) *metav1.Preconditions
}

// New returns the body of the call.
func (r *ModeREST[T]) New() runtime.Object { return r.newBody() }

// Destroy leaves the storage to the store that it is shared with.
func (*ModeREST[T]) Destroy() {}

// ProducesMIMETypes adds none.
func (*ModeREST[T]) ProducesMIMETypes(string) []string { return nil }

// ProducesObject is the Sandbox, for OpenAPI.
func (*ModeREST[T]) ProducesObject(string) any { return v1beta1.Sandbox{} }

// Create gives the Sandbox the mode. It is idempotent, and answers 409 Conflict
// when a precondition does not hold or the Sandbox has ended.
func (r *ModeREST[T]) Create(ctx context.Context, name string, obj runtime.Object, admit rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	body, err := subresource.BeginAction(ctx, subresource.Action[T]{
		Kind: sandbox.Kind(r.kind), Name: name, Object: obj, Validate: r.validate, Admit: admit,
	})
	if err != nil {
		return nil, err
	}
	return setMode(ctx, r.store, modeChange{name: name, mode: r.mode, preconditions: r.preconditions(body), options: options})
}

// modeChange is what suspend and resume have in common.
type modeChange struct {
	name          string
	mode          sandbox.SandboxOperatingMode
	preconditions *metav1.Preconditions
	options       *metav1.CreateOptions
}

// setMode writes the operating mode in one conditional update, which the store
// repeats when somebody else wrote in between. A Sandbox that already has the
// mode is returned as it is, and nothing is written.
func setMode(ctx context.Context, store *genericregistry.Store, change modeChange) (runtime.Object, error) {
	update := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		sbx := old.DeepCopyObject().(*sandbox.Sandbox)
		if err := subresource.CheckPreconditions(store.DefaultQualifiedResource, sbx, change.preconditions); err != nil {
			return nil, err
		}
		if err := checkModeMayChange(sbx, time.Now()); err != nil {
			return nil, apierrors.NewConflict(store.DefaultQualifiedResource, sbx.Name, err)
		}
		sbx.Spec.OperatingMode = change.mode
		return sbx, nil
	})
	const allowCreate = false
	obj, _, err := store.Update(ctx, change.name, update, rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, allowCreate,
		&metav1.UpdateOptions{DryRun: change.options.DryRun, FieldManager: change.options.FieldManager})
	return obj, err
}

// checkModeMayChange refuses to suspend or resume what has ended.
func checkModeMayChange(sbx *sandbox.Sandbox, now time.Time) error {
	switch finished := meta.FindStatusCondition(sbx.Status.Conditions, v1beta1.ConditionFinished); {
	case sbx.DeletionTimestamp != nil:
		return errors.New("the Sandbox is being deleted")
	case sbx.Spec.ShutdownTime != nil && !now.Before(sbx.Spec.ShutdownTime.Time):
		return fmt.Errorf("the Sandbox expired at %s: set a later spec.shutdownTime first", sbx.Spec.ShutdownTime.UTC().Format(time.RFC3339))
	case finished != nil && finished.Status == metav1.ConditionTrue:
		return fmt.Errorf("the Sandbox is finished (%s): its Pod ended by itself, make a new Sandbox", finished.Reason)
	}
	return nil
}
