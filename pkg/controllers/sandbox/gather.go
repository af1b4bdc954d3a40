// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// source is where children are read from. The caches have only what ChildSelector
// lets in; the API server shows foreign objects too.
type source struct {
	live    bool
	pod     func(ctx context.Context, namespace, name string) (*corev1.Pod, error)
	service func(ctx context.Context, namespace, name string) (*corev1.Service, error)
	disk    func(ctx context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error)
	node    func(ctx context.Context, name string) (*corev1.Node, error)
	// template is nil if templates have no say.
	template func(ctx context.Context, namespace, name string) (*v1beta1.SandboxTemplate, error)
}

func cachedSource(o Options) source {
	return source{
		pod: func(_ context.Context, namespace, name string) (*corev1.Pod, error) {
			return o.Pods.Lister().Pods(namespace).Get(name)
		},
		service: func(_ context.Context, namespace, name string) (*corev1.Service, error) {
			return o.Services.Lister().Services(namespace).Get(name)
		},
		disk: func(_ context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error) {
			return o.Disks.Lister().PersistentVolumeClaims(namespace).Get(name)
		},
		node: func(_ context.Context, name string) (*corev1.Node, error) {
			return o.Nodes.Lister().Get(name)
		},
		template: templateSource(o),
	}
}

func liveSource(o Options) source {
	core := o.Kube.CoreV1()
	return source{
		live: true,
		pod: func(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
			return core.Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		service: func(ctx context.Context, namespace, name string) (*corev1.Service, error) {
			return core.Services(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		disk: func(ctx context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error) {
			return core.PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		node: func(ctx context.Context, name string) (*corev1.Node, error) {
			return core.Nodes().Get(ctx, name, metav1.GetOptions{})
		},
		template: templateSource(o),
	}
}

// templateSource asks the cache first and believes it unless it has nothing: a
// claim of a new template may have been faster than the cache.
func templateSource(o Options) func(ctx context.Context, namespace, name string) (*v1beta1.SandboxTemplate, error) {
	if o.TemplateInformer == nil {
		return nil
	}
	return func(ctx context.Context, namespace, name string) (*v1beta1.SandboxTemplate, error) {
		template, err := o.TemplateInformer.Lister().SandboxTemplates(namespace).Get(name)
		if apierrors.IsNotFound(err) {
			return o.Templates.SandboxTemplates(namespace).Get(ctx, name, metav1.GetOptions{})
		}
		return template, err
	}
}

// gather reads everything whose name the Sandbox decides.
func gather(ctx context.Context, from source, sandbox *v1beta1.Sandbox) (observed, error) {
	seen := observed{live: from.live, disks: map[string]*corev1.PersistentVolumeClaim{}}
	namespace := sandbox.Namespace
	var err error
	if seen.shared, err = found(from.service(ctx, namespace, v1beta1.SharedServiceName)); err != nil {
		return seen, fmt.Errorf("reading Service %q: %w", v1beta1.SharedServiceName, err)
	}
	if seen.own, err = found(from.service(ctx, namespace, sandbox.Name)); err != nil {
		return seen, fmt.Errorf("reading Service %q: %w", sandbox.Name, err)
	}
	for i := range sandbox.Spec.VolumeClaimTemplates {
		name := render.PersistentVolumeClaimName(sandbox, &sandbox.Spec.VolumeClaimTemplates[i])
		disk, err := found(from.disk(ctx, namespace, name))
		if err != nil {
			return seen, fmt.Errorf("reading PersistentVolumeClaim %q: %w", name, err)
		}
		if disk != nil {
			seen.disks[name] = disk
		}
	}
	if seen.pod, err = found(from.pod(ctx, namespace, sandbox.Name)); err != nil {
		return seen, fmt.Errorf("reading Pod %q: %w", sandbox.Name, err)
	}
	switch template := sandbox.Labels[v1beta1.TemplateLabel]; {
	case seen.pod == nil && template != "" && from.template != nil:
		if seen.template, err = found(from.template(ctx, namespace, template)); err != nil {
			return seen, fmt.Errorf("reading SandboxTemplate %q: %w", template, err)
		}
		return seen, nil
	case seen.pod == nil, seen.pod.Spec.NodeName == "":
		return seen, nil
	}
	if seen.node, err = found(from.node(ctx, seen.pod.Spec.NodeName)); err != nil {
		return seen, fmt.Errorf("reading Node %q: %w", seen.pod.Spec.NodeName, err)
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
