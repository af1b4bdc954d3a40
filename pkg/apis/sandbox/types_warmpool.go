// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxWarmPool keeps a number of Sandboxes of one template running and
// unclaimed, so that a claim is answered at once.
type SandboxWarmPool struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	Spec   SandboxWarmPoolSpec
	Status SandboxWarmPoolStatus
}

// SandboxWarmPoolSpec is the desired state of a pool.
type SandboxWarmPoolSpec struct {
	Replicas           *int32
	SandboxTemplateRef SandboxTemplateReference
	UpdateStrategy     SandboxWarmPoolUpdateStrategy
}

// SandboxTemplateReference names a SandboxTemplate of the same namespace.
type SandboxTemplateReference struct {
	Name string
}

// SandboxWarmPoolUpdateStrategy says how a pool follows its template.
type SandboxWarmPoolUpdateStrategy struct {
	Type          SandboxWarmPoolUpdateStrategyType
	RollingUpdate *RollingUpdateSandboxWarmPool
}

// RollingUpdateSandboxWarmPool bounds a rolling update.
type RollingUpdateSandboxWarmPool struct {
	MaxUnavailable *intstr.IntOrString
}

// SandboxWarmPoolUpdateStrategyType names an update strategy.
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
	Replicas           int32
	ReadyReplicas      int32
	StaleReplicas      int32
	Selector           string
	ObservedGeneration int64
	Conditions         []metav1.Condition
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxWarmPoolList is a list of SandboxWarmPools.
type SandboxWarmPoolList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []SandboxWarmPool
}
