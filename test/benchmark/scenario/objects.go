// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// poolName is that of the pool and of its template, in every scenario's namespace.
const poolName = "python"

// podTemplate is what an agent's Sandbox looks like: an image, a command, some
// environment, resources, a probe. Nothing pulls the image.
func podTemplate() v1beta1.PodTemplate {
	resources := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")}
	return v1beta1.PodTemplate{Spec: corev1.PodSpec{
		TerminationGracePeriodSeconds: ptr.To(int64(1)),
		Containers: []corev1.Container{{
			Name: "agent", Image: "python:3.14", Command: []string{"python", "-m", "agent.server", "--port=8080"},
			Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
			Env:            []corev1.EnvVar{{Name: "PYTHONUNBUFFERED", Value: "1"}, {Name: "AGENT_HOME", Value: "/workspace"}},
			Resources:      corev1.ResourceRequirements{Requests: resources},
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("http")}}},
		}},
	}}
}

// Pool makes a template and a pool of it, and waits until all its Sandboxes are available.
func (e *Env) Pool(ctx context.Context, namespace string, replicas int) error {
	template := &v1beta1.SandboxTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: poolName},
		Spec:       v1beta1.SandboxTemplateSpec{PodTemplate: podTemplate()},
	}
	if _, err := e.Client.SandboxV1beta1().SandboxTemplates(namespace).Create(ctx, template, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("making the template: %w", err)
	}
	return e.AnotherPool(ctx, namespace, poolName, replicas)
}

// AnotherPool makes a pool of the namespace's template, without waiting.
func (e *Env) AnotherPool(ctx context.Context, namespace, name string, replicas int) error {
	pool := &v1beta1.SandboxWarmPool{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1beta1.SandboxWarmPoolSpec{Replicas: ptr.To(int32(replicas)), SandboxTemplateRef: v1beta1.SandboxTemplateReference{Name: poolName}},
	}
	if _, err := e.Client.SandboxV1beta1().SandboxWarmPools(namespace).Create(ctx, pool, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("making a pool: %w", err)
	}
	return nil
}

// Full waits until a pool has as many available Sandboxes as it asks for. It counts the
// Sandboxes themselves: just after a claim the pool's status may still be the old one.
func (e *Env) Full(ctx context.Context, namespace, name string) error {
	told := time.Now()
	return e.Until(ctx, "pool "+name+" to be full", func(ctx context.Context) (bool, error) {
		pool, err := e.Client.SandboxV1beta1().SandboxWarmPools(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			e.Tell("pool %s: %d of %d are available", name, pool.Status.ReadyReplicas, *pool.Spec.Replicas)
		}
		if pool.Status.ReadyReplicas < *pool.Spec.Replicas {
			return false, nil
		}
		available, err := e.available(ctx, namespace, name)
		return available >= int(*pool.Spec.Replicas), err
	})
}

func (e *Env) available(ctx context.Context, namespace, pool string) (int, error) {
	list, err := e.Client.SandboxV1beta1().Sandboxes(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: v1beta1.WarmPoolLabel + "=" + pool + ",!" + v1beta1.ClaimLabel, ResourceVersion: "0",
	})
	if err != nil {
		return 0, err
	}
	available := 0
	for i := range list.Items {
		if meta.IsStatusConditionTrue(list.Items[i].Status.Conditions, v1beta1.ConditionReady) {
			available++
		}
	}
	return available, nil
}

// Resize sets the size of a pool.
func (e *Env) Resize(ctx context.Context, namespace, name string, replicas int) error {
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := e.Client.SandboxV1beta1().SandboxWarmPools(namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("resizing pool %s: %w", name, err)
	}
	return nil
}

func newClaim(name string) *v1beta1.SandboxClaim {
	return &v1beta1.SandboxClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1beta1.SandboxClaimSpec{WarmPoolRef: v1beta1.SandboxWarmPoolReference{Name: poolName}},
	}
}

func newSandbox(name string) *v1beta1.Sandbox {
	return &v1beta1.Sandbox{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1beta1.SandboxSpec{PodTemplate: podTemplate()}}
}

func newPod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: podTemplate().Spec}
}

// newConfigMap is as large as a claim is.
func newConfigMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"value": strings.Repeat("x", 600)}}
}

func claimReady(claim *v1beta1.SandboxClaim) bool {
	return meta.IsStatusConditionTrue(claim.Status.Conditions, v1beta1.ConditionReady)
}

func warm(claim *v1beta1.SandboxClaim) bool {
	return claim.Status.Sandbox != nil && claim.Status.Sandbox.LaunchType == v1beta1.LaunchWarm
}

func podReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
