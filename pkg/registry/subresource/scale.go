// SPDX-License-Identifier: Apache-2.0

package subresource

import (
	"context"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

var (
	_ rest.Patcher                  = &ScaleREST{}
	_ rest.GroupVersionKindProvider = &ScaleREST{}
	_ rest.TableConvertor           = &ScaleREST{}
)

// Scalable reads and writes the replicas of a kind.
type Scalable interface {
	// ScaleOf returns spec and status of the scale; the metadata is filled in
	// by the caller.
	ScaleOf(obj runtime.Object) (autoscalingv1.ScaleSpec, autoscalingv1.ScaleStatus)
	// SetReplicas changes obj in place.
	SetReplicas(obj runtime.Object, replicas int32)
}

// ScaleREST serves autoscaling/v1 Scale over the store of a kind, so that
// kubectl scale, the HorizontalPodAutoscaler and KEDA work on it.
type ScaleREST struct {
	store    *genericregistry.Store
	scalable Scalable
	// version is the API version whose field managers own spec.replicas.
	version schema.GroupVersion
}

// NewScaleREST shares the storage of store. Updates run under its strategy.
func NewScaleREST(store *genericregistry.Store, scalable Scalable, version schema.GroupVersion) *ScaleREST {
	return &ScaleREST{store: store, scalable: scalable, version: version}
}

// GroupVersionKind is autoscaling/v1 Scale whatever the version of the kind.
func (r *ScaleREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return autoscalingv1.SchemeGroupVersion.WithKind("Scale")
}

// New returns an empty Scale.
func (r *ScaleREST) New() runtime.Object { return &autoscalingv1.Scale{} }

// Destroy leaves the storage to the store that it is shared with.
func (r *ScaleREST) Destroy() {}

// Get reads the scale of an object.
func (r *ScaleREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	obj, err := r.store.Get(ctx, name, options)
	if err != nil {
		return nil, err
	}
	return r.toScale(obj)
}

// Update changes the replicas of an object and never creates.
func (r *ScaleREST) Update(ctx context.Context, name string, objInfo rest.UpdatedObjectInfo, createValidation rest.ValidateObjectFunc, updateValidation rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	const allowCreate = false
	obj, _, err := r.store.Update(ctx, name, &scaledObjectInfo{UpdatedObjectInfo: objInfo, rest: r},
		r.onScale(createValidation), r.onScales(updateValidation), allowCreate, options)
	if err != nil {
		return nil, false, err
	}
	scale, err := r.toScale(obj)
	return scale, false, err
}

// ConvertToTable prints a Scale with the default columns.
func (r *ScaleREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return rest.NewDefaultTableConvertor(autoscalingv1.Resource("scale")).ConvertToTable(ctx, object, options)
}

func (r *ScaleREST) toScale(obj runtime.Object) (*autoscalingv1.Scale, error) {
	object, ok := obj.(metav1.Object)
	if !ok {
		return nil, apierrors.NewInternalError(fmt.Errorf("reading the scale of a %T", obj))
	}
	scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{
		Name:              object.GetName(),
		Namespace:         object.GetNamespace(),
		UID:               object.GetUID(),
		ResourceVersion:   object.GetResourceVersion(),
		CreationTimestamp: object.GetCreationTimestamp(),
	}}
	scale.Spec, scale.Status = r.scalable.ScaleOf(obj)
	return scale, nil
}

// onScale lets admission see the Scale that was sent instead of its object.
func (r *ScaleREST) onScale(validate rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		scale, err := r.toScale(obj)
		if err != nil {
			return err
		}
		return validate(ctx, scale)
	}
}

func (r *ScaleREST) onScales(validate rest.ValidateObjectUpdateFunc) rest.ValidateObjectUpdateFunc {
	return func(ctx context.Context, obj, old runtime.Object) error {
		newScale, err := r.toScale(obj)
		if err != nil {
			return err
		}
		oldScale, err := r.toScale(old)
		if err != nil {
			return err
		}
		return validate(ctx, newScale, oldScale)
	}
}

// scaledObjectInfo turns an update of a Scale into an update of its object.
type scaledObjectInfo struct {
	rest.UpdatedObjectInfo
	rest *ScaleREST
}

// UpdatedObject maps the managers of the Scale's fields back to the object.
func (i *scaledObjectInfo) UpdatedObject(ctx context.Context, old runtime.Object) (runtime.Object, error) {
	obj := old.DeepCopyObject()
	object, ok := obj.(metav1.Object)
	if !ok {
		return nil, apierrors.NewInternalError(fmt.Errorf("scaling a %T", obj))
	}
	oldScale, err := i.rest.toScale(obj)
	if err != nil {
		return nil, err
	}
	managers := managedfields.NewScaleHandler(object.GetManagedFields(), i.rest.version, managedfields.ResourcePathMappings{
		i.rest.version.String(): fieldpath.MakePathOrDie("spec", "replicas"),
	})
	if oldScale.ManagedFields, err = managers.ToSubresource(); err != nil {
		return nil, err
	}
	scale, err := i.updatedScale(ctx, oldScale)
	if err != nil {
		return nil, err
	}
	fields, err := managers.ToParent(scale.ManagedFields)
	if err != nil {
		return nil, err
	}
	object.SetManagedFields(fields)
	object.SetResourceVersion(scale.ResourceVersion)
	i.rest.scalable.SetReplicas(obj, scale.Spec.Replicas)
	return obj, nil
}

func (i *scaledObjectInfo) updatedScale(ctx context.Context, oldScale *autoscalingv1.Scale) (*autoscalingv1.Scale, error) {
	updated, err := i.UpdatedObjectInfo.UpdatedObject(ctx, oldScale)
	if err != nil {
		return nil, err
	}
	scale, ok := updated.(*autoscalingv1.Scale)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the body is a %T, want an autoscaling/v1 Scale", updated))
	}
	if scale.Spec.Replicas < 0 {
		errs := field.ErrorList{field.Invalid(field.NewPath("spec", "replicas"), scale.Spec.Replicas, "must be 0 or more")}
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: autoscalingv1.GroupName, Kind: "Scale"}, scale.Name, errs)
	}
	resource := i.rest.store.DefaultQualifiedResource
	return scale, CheckPreconditions(resource, oldScale, uidPrecondition(scale))
}

func uidPrecondition(scale *autoscalingv1.Scale) *metav1.Preconditions {
	if scale.UID == "" {
		return nil
	}
	return &metav1.Preconditions{UID: &scale.UID}
}
