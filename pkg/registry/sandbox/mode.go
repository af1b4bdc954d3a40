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
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

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
