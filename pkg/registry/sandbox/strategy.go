// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"slices"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/validation"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var (
	_ rest.RESTCreateStrategy  = strategy{}
	_ rest.RESTUpdateStrategy  = strategy{}
	_ rest.RESTDeleteStrategy  = strategy{}
	_ rest.ResetFieldsStrategy = strategy{}
)

// strategy says what users may write of a Sandbox: everything but its status.
type strategy struct {
	subresource.NamespacedStrategy
}

func (strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	sbx := obj.(*sandbox.Sandbox)
	sbx.Generation = 1
	sbx.Status = sandbox.SandboxStatus{}
	delete(sbx.Annotations, v1beta1.OrphanDependentsAnnotation)
	if !slices.Contains(sbx.Finalizers, v1beta1.SandboxFinalizer) {
		sbx.Finalizers = append(sbx.Finalizers, v1beta1.SandboxFinalizer)
	}
}

func (strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	sbx, previous := obj.(*sandbox.Sandbox), old.(*sandbox.Sandbox)
	sbx.Status = previous.Status
	markOrphaning(sbx, previous)
	// A manifest written before the claim does not know of it: leaving claimRef
	// out of an update keeps it, as it does for a Service's clusterIP.
	if sbx.Spec.ClaimRef == nil {
		sbx.Spec.ClaimRef = previous.Spec.ClaimRef
	}
	if !apiequality.Semantic.DeepEqual(sbx.Spec, previous.Spec) {
		sbx.Generation = previous.Generation + 1
	}
}

// markOrphaning keeps what a deletion with --cascade=orphan asked for when the garbage
// collector, done with its part, takes the finalizer off that said so: the controller may
// not have looked yet. Whatever else a client makes of the mark is undone.
func markOrphaning(sbx, previous *sandbox.Sandbox) {
	_, marked := previous.Annotations[v1beta1.OrphanDependentsAnnotation]
	collected := slices.Contains(previous.Finalizers, metav1.FinalizerOrphanDependents) &&
		!slices.Contains(sbx.Finalizers, metav1.FinalizerOrphanDependents)
	if previous.DeletionTimestamp != nil && (marked || collected) {
		metav1.SetMetaDataAnnotation(&sbx.ObjectMeta, v1beta1.OrphanDependentsAnnotation, "true")
	} else {
		delete(sbx.Annotations, v1beta1.OrphanDependentsAnnotation)
	}
}

func (strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validation.ValidateSandbox(obj.(*sandbox.Sandbox), time.Now())
}

func (strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateSandboxUpdate(obj.(*sandbox.Sandbox), old.(*sandbox.Sandbox), time.Now())
}
