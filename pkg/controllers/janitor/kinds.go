// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// Our resources. The values are part of the metric.
const (
	pools     = "sandboxwarmpools"
	sandboxes = "sandboxes"
	claims    = "sandboxclaims"
	templates = "sandboxtemplates"
)

// kind is what the janitor needs of one of our kinds.
type kind struct {
	resource string
	informer cache.SharedIndexInformer
	remove   func(ctx context.Context, namespace, name string, options metav1.DeleteOptions) error
}

// kindsOf are our kinds, in the order in which they go.
func kindsOf(o Options) []kind {
	return []kind{
		{pools, o.Informers.SandboxWarmPools().Informer(), func(ctx context.Context, namespace, name string, options metav1.DeleteOptions) error {
			return o.Own.SandboxWarmPools(namespace).Delete(ctx, name, options)
		}},
		{sandboxes, o.Informers.Sandboxes().Informer(), func(ctx context.Context, namespace, name string, options metav1.DeleteOptions) error {
			return o.Own.Sandboxes(namespace).Delete(ctx, name, options)
		}},
		{claims, o.Informers.SandboxClaims().Informer(), func(ctx context.Context, namespace, name string, options metav1.DeleteOptions) error {
			return o.Own.SandboxClaims(namespace).Delete(ctx, name, options)
		}},
		{templates, o.Informers.SandboxTemplates().Informer(), func(ctx context.Context, namespace, name string, options metav1.DeleteOptions) error {
			return o.Own.SandboxTemplates(namespace).Delete(ctx, name, options)
		}},
	}
}
