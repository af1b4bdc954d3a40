// SPDX-License-Identifier: Apache-2.0

package subresource

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Body is what an action is posted with.
type Body interface {
	runtime.Object
	metav1.Object
}

// BeginAction is the prologue of every action: the type of the body, its name
// against that of the URL, validation, and then admission. What it returns is
// an API error or nil; after nil the action may act.
func BeginAction[T Body](ctx context.Context, action Action[T]) (T, error) {
	body, ok := action.Object.(T)
	if !ok {
		return body, apierrors.NewBadRequest(fmt.Sprintf("the body of %s is a %T, want a %T", action.Kind.Kind, action.Object, body))
	}
	if body.GetName() == "" {
		body.SetName(action.Name)
	}
	if body.GetName() != action.Name {
		return body, apierrors.NewBadRequest(fmt.Sprintf("metadata.name is %q, but the URL names %q: leave it out or make it the same", body.GetName(), action.Name))
	}
	if errs := action.Validate(body); len(errs) > 0 {
		return body, apierrors.NewInvalid(action.Kind, action.Name, errs)
	}
	if action.Admit != nil {
		if err := action.Admit(ctx, body.DeepCopyObject()); err != nil {
			return body, err
		}
	}
	return body, nil
}

// Action is a call of an action subresource.
type Action[T Body] struct {
	// Kind of the body.
	Kind schema.GroupKind
	// Name is that of the object in the URL.
	Name string
	// Object is the decoded body.
	Object runtime.Object
	// Validate checks the body.
	Validate func(T) field.ErrorList
	// Admit runs validating admission; nil for internal calls.
	Admit rest.ValidateObjectFunc
}

// CheckPreconditions compares what a caller expects with the object that is
// about to change. It returns 409 Conflict naming the difference.
func CheckPreconditions(resource schema.GroupResource, obj metav1.Object, want *metav1.Preconditions) error {
	if want == nil {
		return nil
	}
	if want.UID != nil && *want.UID != obj.GetUID() {
		return apierrors.NewConflict(resource, obj.GetName(),
			fmt.Errorf("preconditions.uid is %q, but the object has %q: it is another object of the same name", *want.UID, obj.GetUID()))
	}
	if want.ResourceVersion != nil && *want.ResourceVersion != obj.GetResourceVersion() {
		return apierrors.NewConflict(resource, obj.GetName(),
			fmt.Errorf("preconditions.resourceVersion is %q, but the object has %q: read it again and decide anew", *want.ResourceVersion, obj.GetResourceVersion()))
	}
	return nil
}
