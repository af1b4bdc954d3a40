// SPDX-License-Identifier: Apache-2.0

package subresource

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// NamespacedStrategy answers what every kind of the API answers alike: it is
// namespaced, created by POST only, and an update without a resourceVersion is
// allowed. Strategies embed it.
type NamespacedStrategy struct {
	runtime.ObjectTyper
	names.NameGenerator
}

// NewNamespacedStrategy generates names that stay DNS labels.
func NewNamespacedStrategy(typer runtime.ObjectTyper) NamespacedStrategy {
	return NamespacedStrategy{ObjectTyper: typer, NameGenerator: names.SimpleNameGenerator}
}

// GetResetFields keeps managers of the main resource off the status.
func (NamespacedStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return resetFields("status")
}

// ResetAllButStatus keeps managers of a status off everything else.
func ResetAllButStatus() map[fieldpath.APIVersion]*fieldpath.Set {
	return resetFields("metadata", "spec")
}

func resetFields(names ...string) map[fieldpath.APIVersion]*fieldpath.Set {
	set := fieldpath.NewSet()
	for _, name := range names {
		set.Insert(fieldpath.MakePathOrDie(name))
	}
	return map[fieldpath.APIVersion]*fieldpath.Set{fieldpath.APIVersion(v1beta1.SchemeGroupVersion.String()): set}
}

// NamespaceScoped is true for every kind.
func (NamespacedStrategy) NamespaceScoped() bool { return true }

// AllowCreateOnUpdate is false: a PUT of an unknown name is 404.
func (NamespacedStrategy) AllowCreateOnUpdate(context.Context) bool { return false }

// AllowUnconditionalUpdate lets a PUT leave out the resourceVersion.
func (NamespacedStrategy) AllowUnconditionalUpdate(context.Context) bool { return true }

// Canonicalize has nothing to do.
func (NamespacedStrategy) Canonicalize(runtime.Object) {}

// WarningsOnCreate has none.
func (NamespacedStrategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }

// WarningsOnUpdate has none.
func (NamespacedStrategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}
