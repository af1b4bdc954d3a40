// SPDX-License-Identifier: Apache-2.0

package sandboxwarmpool

import (
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// scalable maps a pool to the scale that autoscalers work on.
type scalable struct{}

// ScaleOf implements subresource.Scalable.
func (scalable) ScaleOf(obj runtime.Object) (autoscalingv1.ScaleSpec, autoscalingv1.ScaleStatus) {
	pool := obj.(*sandbox.SandboxWarmPool)
	spec := autoscalingv1.ScaleSpec{}
	if pool.Spec.Replicas != nil {
		spec.Replicas = *pool.Spec.Replicas
	}
	return spec, autoscalingv1.ScaleStatus{Replicas: pool.Status.Replicas, Selector: pool.Status.Selector}
}

// SetReplicas implements subresource.Scalable.
func (scalable) SetReplicas(obj runtime.Object, replicas int32) {
	obj.(*sandbox.SandboxWarmPool).Spec.Replicas = &replicas
}
