// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// +genclient
// +genclient:method=GetScale,verb=get,subresource=scale,result=k8s.io/api/autoscaling/v1.Scale
// +genclient:method=UpdateScale,verb=update,subresource=scale,input=k8s.io/api/autoscaling/v1.Scale,result=k8s.io/api/autoscaling/v1.Scale
// +genclient:method=Claim,verb=create,subresource=claim,input=SandboxClaim,result=SandboxClaim
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxWarmPool keeps a number of Sandboxes of one template running and
// unclaimed, so that a claim is answered at once.
type SandboxWarmPool struct {
	metav1.TypeMeta `json:",inline"`

	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// Spec is the desired state of the pool.
	Spec SandboxWarmPoolSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`

	// Status is the observed state of the pool.
	// +optional
	Status SandboxWarmPoolStatus `json:"status,omitempty" protobuf:"bytes,3,opt,name=status"`
}

// SandboxWarmPoolSpec is the desired state of a pool.
type SandboxWarmPoolSpec struct {
	// Replicas is how many unclaimed Sandboxes the pool keeps. Defaults to 1; 0 is
	// allowed; the server bounds it (--max-pool-replicas).
	// +optional
	Replicas *int32 `json:"replicas,omitempty" protobuf:"varint,1,opt,name=replicas"`

	// SandboxTemplateRef names the template of the pool's Sandboxes.
	SandboxTemplateRef SandboxTemplateReference `json:"sandboxTemplateRef" protobuf:"bytes,2,opt,name=sandboxTemplateRef"`

	// UpdateStrategy says how the pool follows a change of its template.
	// +optional
	UpdateStrategy SandboxWarmPoolUpdateStrategy `json:"updateStrategy,omitempty" protobuf:"bytes,3,opt,name=updateStrategy"`
}

// SandboxTemplateReference names a SandboxTemplate of the same namespace.
type SandboxTemplateReference struct {
	// Name of the template.
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
}

// SandboxWarmPoolUpdateStrategy says how a pool follows its template.
type SandboxWarmPoolUpdateStrategy struct {
	// Type is OnReplenish (the default), Recreate or RollingUpdate.
	// +optional
	Type SandboxWarmPoolUpdateStrategyType `json:"type,omitempty" protobuf:"bytes,1,opt,name=type,casttype=SandboxWarmPoolUpdateStrategyType"`

	// RollingUpdate may be set only when type is RollingUpdate.
	// +optional
	RollingUpdate *RollingUpdateSandboxWarmPool `json:"rollingUpdate,omitempty" protobuf:"bytes,2,opt,name=rollingUpdate"`
}

// RollingUpdateSandboxWarmPool bounds a rolling update.
type RollingUpdateSandboxWarmPool struct {
	// MaxUnavailable is the number, or the percentage of replicas, that may be
	// missing while stale Sandboxes are replaced. Defaults to 25%.
	// +optional
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty" protobuf:"bytes,1,opt,name=maxUnavailable"`
}

// SandboxWarmPoolUpdateStrategyType names an update strategy.
// +enum
type SandboxWarmPoolUpdateStrategyType string

const (
	// OnReplenishStrategy keeps stale Sandboxes until they are drawn.
	OnReplenishStrategy SandboxWarmPoolUpdateStrategyType = "OnReplenish"
	// RecreateStrategy removes all stale Sandboxes at once.
	RecreateStrategy SandboxWarmPoolUpdateStrategyType = "Recreate"
	// RollingUpdateStrategy replaces stale Sandboxes a few at a time.
	RollingUpdateStrategy SandboxWarmPoolUpdateStrategyType = "RollingUpdate"
)

// SandboxWarmPoolStatus is the observed state of a pool.
type SandboxWarmPoolStatus struct {
	// Replicas is the number of unclaimed Sandboxes of the pool.
	Replicas int32 `json:"replicas" protobuf:"varint,1,opt,name=replicas"`

	// ReadyReplicas is the number of those that are Ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas,omitempty" protobuf:"varint,2,opt,name=readyReplicas"`

	// StaleReplicas is the number of those made from an earlier template.
	// +optional
	StaleReplicas int32 `json:"staleReplicas,omitempty" protobuf:"varint,3,opt,name=staleReplicas"`

	// Selector is the label selector, in string form, that finds the pool's Pods.
	// +optional
	Selector string `json:"selector,omitempty" protobuf:"bytes,4,opt,name=selector"`

	// ObservedGeneration is the generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty" protobuf:"varint,5,opt,name=observedGeneration"`

	// Conditions: Progressing and Available; Withheld after a loss of etcd. A pool that cannot
	// fill says why.
	// +optional
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type" protobuf:"bytes,6,rep,name=conditions"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxWarmPoolList is a list of SandboxWarmPools.
type SandboxWarmPoolList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// Items are the SandboxWarmPools.
	Items []SandboxWarmPool `json:"items" protobuf:"bytes,2,rep,name=items"`
}
