// SPDX-License-Identifier: Apache-2.0

package subresource

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage/names"
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
