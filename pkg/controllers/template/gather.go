// SPDX-License-Identifier: Apache-2.0

package template

import (
	"context"
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// source is where everything but the template is read from. The caches have no
// foreign NetworkPolicies.
type source struct {
	live   bool
	policy func(ctx context.Context, key worker.Key) (*networkingv1.NetworkPolicy, error)
	// sandboxes and pods say whether there are any with these labels.
	sandboxes func(ctx context.Context, namespace string, made labels.Set) (bool, error)
	pods      func(ctx context.Context, namespace string, made labels.Set) (bool, error)
}

func cachedSource(o Options) source {
	return source{
		policy: func(_ context.Context, key worker.Key) (*networkingv1.NetworkPolicy, error) {
			return o.NetworkPolicies.Lister().NetworkPolicies(key.Namespace).Get(key.Name)
		},
		sandboxes: func(_ context.Context, namespace string, made labels.Set) (bool, error) {
			list, err := o.Sandboxes.Lister().Sandboxes(namespace).List(made.AsSelector())
			return len(list) > 0, err
		},
		pods: func(_ context.Context, namespace string, made labels.Set) (bool, error) {
			list, err := o.Pods.Lister().Pods(namespace).List(made.AsSelector())
			return len(list) > 0, err
		},
	}
}

func liveSource(o Options) source {
	one := func(made labels.Set) metav1.ListOptions {
		return metav1.ListOptions{LabelSelector: made.String(), Limit: 1}
	}
	return source{
		live: true,
		policy: func(ctx context.Context, key worker.Key) (*networkingv1.NetworkPolicy, error) {
			return o.Kube.NetworkingV1().NetworkPolicies(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
		},
		sandboxes: func(ctx context.Context, namespace string, made labels.Set) (bool, error) {
			list, err := o.Own.Sandboxes(namespace).List(ctx, one(made))
			return err == nil && len(list.Items) > 0, err
		},
		pods: func(ctx context.Context, namespace string, made labels.Set) (bool, error) {
			list, err := o.Kube.CoreV1().Pods(namespace).List(ctx, one(made))
			return err == nil && len(list.Items) > 0, err
		},
	}
}

// gather reads what there is for the templates of that name. Who uses the
// NetworkPolicy matters only once the template is gone.
func gather(ctx context.Context, from source, run *pass) (observed, error) {
	seen := observed{live: from.live}
	namespace, name := run.key.Namespace, render.NetworkPolicyName(run.key.Name)
	var err error
	if seen.policy, err = found(from.policy(ctx, worker.Key{Namespace: namespace, Name: name})); err != nil {
		return seen, fmt.Errorf("reading NetworkPolicy %q: %w", name, err)
	}
	if seen.policy == nil || run.template != nil {
		return seen, nil
	}
	made := labels.Set{v1beta1.TemplateLabel: run.key.Name}
	if seen.used, err = from.sandboxes(ctx, namespace, made); err != nil {
		return seen, fmt.Errorf("listing the Sandboxes of template %q: %w", run.key.Name, err)
	}
	if seen.used {
		return seen, nil
	}
	if seen.used, err = from.pods(ctx, namespace, made); err != nil {
		return seen, fmt.Errorf("listing the Pods of template %q: %w", run.key.Name, err)
	}
	return seen, nil
}

// found turns "not found" into nil.
func found[T any](obj *T, err error) (*T, error) {
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return obj, nil
	}
}
