// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxClaim asks for one Sandbox of a warm pool. Deleting the claim deletes
// its Sandbox.
type SandboxClaim struct {
	metav1.TypeMeta `json:",inline"`

	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// Spec is what is claimed.
	Spec SandboxClaimSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`

	// Status is the outcome. The answer to the create carries it already.
	// +optional
	Status SandboxClaimStatus `json:"status,omitempty" protobuf:"bytes,3,opt,name=status"`
}

// SandboxClaimSpec is what is claimed.
type SandboxClaimSpec struct {
	// WarmPoolRef names the pool. Immutable.
	WarmPoolRef SandboxWarmPoolReference `json:"warmPoolRef" protobuf:"bytes,1,opt,name=warmPoolRef"`

	// Lifecycle says when the claim ends. It may be changed later, to extend it.
	// +optional
	Lifecycle *SandboxClaimLifecycle `json:"lifecycle,omitempty" protobuf:"bytes,2,opt,name=lifecycle"`

	// AdditionalPodMetadata is put on the Sandbox and its Pod. Keys under
	// "sandbox.agents.x-k8s.io/" are reserved for the server and are refused.
	// Immutable.
	// +optional
	AdditionalPodMetadata PodMetadata `json:"additionalPodMetadata,omitempty" protobuf:"bytes,3,opt,name=additionalPodMetadata"`

	// Env are environment variables, as far as the template's policy allows
	// them. They force a cold start. Immutable.
	// +optional
	// +listType=atomic
	Env []SandboxEnvVar `json:"env,omitempty" protobuf:"bytes,4,rep,name=env"`

	// VolumeClaimTemplates are disks, as far as the template's policy allows them.
	// They force a cold start. Immutable.
	// +optional
	// +listType=atomic
	VolumeClaimTemplates []PersistentVolumeClaimTemplate `json:"volumeClaimTemplates,omitempty" protobuf:"bytes,5,rep,name=volumeClaimTemplates"`

	// OnEmptyPool says what happens when no Sandbox is available: ColdStart (the
	// default: a fresh one is made), Wait (until one becomes available) or Reject
	// (429, nothing is stored). Immutable.
	// +optional
	OnEmptyPool OnEmptyPoolPolicy `json:"onEmptyPool,omitempty" protobuf:"bytes,6,opt,name=onEmptyPool,casttype=OnEmptyPoolPolicy"`
}

// SandboxWarmPoolReference names a SandboxWarmPool of the same namespace.
type SandboxWarmPoolReference struct {
	// Name of the pool.
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
}

// SandboxClaimLifecycle says when a claim ends.
type SandboxClaimLifecycle struct {
	// ShutdownTime is when the claim expires.
	// +optional
	ShutdownTime *metav1.Time `json:"shutdownTime,omitempty" protobuf:"bytes,1,opt,name=shutdownTime"`

	// TTLSecondsAfterFinished is how many seconds a finished claim is kept.
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty" protobuf:"varint,2,opt,name=ttlSecondsAfterFinished"`

	// ShutdownPolicy is Retain (the default), Delete or DeleteForeground.
	// +optional
	ShutdownPolicy SandboxClaimShutdownPolicy `json:"shutdownPolicy,omitempty" protobuf:"bytes,3,opt,name=shutdownPolicy,casttype=SandboxClaimShutdownPolicy"`
}

// SandboxClaimShutdownPolicy says what becomes of a claim that ended.
// +enum
type SandboxClaimShutdownPolicy string

const (
	// SandboxClaimShutdownDelete deletes the claim; its Sandbox follows.
	SandboxClaimShutdownDelete SandboxClaimShutdownPolicy = "Delete"
	// SandboxClaimShutdownDeleteForeground deletes the claim after its Sandbox.
	SandboxClaimShutdownDeleteForeground SandboxClaimShutdownPolicy = "DeleteForeground"
	// SandboxClaimShutdownRetain keeps the claim; its Sandbox is shut down.
	SandboxClaimShutdownRetain SandboxClaimShutdownPolicy = "Retain"
)

// SandboxEnvVar is an environment variable that a claim sets.
type SandboxEnvVar struct {
	// Name of the variable.
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// Value of the variable.
	// +optional
	Value string `json:"value,omitempty" protobuf:"bytes,2,opt,name=value"`
	// ContainerName is the container that gets it; left out, all containers do.
	// +optional
	ContainerName string `json:"containerName,omitempty" protobuf:"bytes,3,opt,name=containerName"`
}

// OnEmptyPoolPolicy says what a claim does when nothing is available.
// +enum
type OnEmptyPoolPolicy string

const (
	// OnEmptyPoolColdStart makes a fresh Sandbox from the pool's template.
	OnEmptyPoolColdStart OnEmptyPoolPolicy = "ColdStart"
	// OnEmptyPoolWait binds when a Sandbox becomes available, oldest claim first.
	OnEmptyPoolWait OnEmptyPoolPolicy = "Wait"
	// OnEmptyPoolReject refuses the claim with 429 and Retry-After.
	OnEmptyPoolReject OnEmptyPoolPolicy = "Reject"
)

// SandboxClaimStatus is the outcome of a claim.
type SandboxClaimStatus struct {
	// Conditions: Bound, Ready and Finished.
	// +optional
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type" protobuf:"bytes,1,rep,name=conditions"`

	// Sandbox is the Sandbox that the claim holds.
	// +optional
	Sandbox *ClaimedSandbox `json:"sandbox,omitempty" protobuf:"bytes,2,opt,name=sandbox"`
}

// ClaimedSandbox is what a client needs to reach its Sandbox.
type ClaimedSandbox struct {
	// Name of the Sandbox, in the namespace of the claim.
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// PodIPs are the addresses of its Pod.
	// +optional
	// +listType=atomic
	PodIPs []string `json:"podIPs,omitempty" protobuf:"bytes,2,rep,name=podIPs"`
	// ServiceFQDN is its stable DNS name.
	// +optional
	ServiceFQDN string `json:"serviceFQDN,omitempty" protobuf:"bytes,3,opt,name=serviceFQDN"`
	// NodeName is the node that its Pod runs on.
	// +optional
	NodeName string `json:"nodeName,omitempty" protobuf:"bytes,4,opt,name=nodeName"`
	// LaunchType is Warm when the Sandbox was drawn from the pool and Cold when it
	// was made for the claim.
	// +optional
	LaunchType LaunchType `json:"launchType,omitempty" protobuf:"bytes,5,opt,name=launchType,casttype=LaunchType"`
}

// LaunchType says how a claim came to its Sandbox.
// +enum
type LaunchType string

const (
	// LaunchWarm is a Sandbox drawn from the pool.
	LaunchWarm LaunchType = "Warm"
	// LaunchCold is a Sandbox made for the claim.
	LaunchCold LaunchType = "Cold"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxClaimList is a list of SandboxClaims.
type SandboxClaimList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// Items are the SandboxClaims.
	Items []SandboxClaim `json:"items" protobuf:"bytes,2,rep,name=items"`
}
