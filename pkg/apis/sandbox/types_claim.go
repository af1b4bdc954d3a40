// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxClaim asks for one Sandbox of a warm pool. Deleting the claim deletes
// its Sandbox.
type SandboxClaim struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	Spec   SandboxClaimSpec
	Status SandboxClaimStatus
}

// SandboxClaimSpec is what is claimed.
type SandboxClaimSpec struct {
	WarmPoolRef           SandboxWarmPoolReference
	Lifecycle             *SandboxClaimLifecycle
	AdditionalPodMetadata PodMetadata
	Env                   []SandboxEnvVar
	VolumeClaimTemplates  []PersistentVolumeClaimTemplate
	OnEmptyPool           OnEmptyPoolPolicy
}

// SandboxWarmPoolReference names a SandboxWarmPool of the same namespace.
type SandboxWarmPoolReference struct {
	Name string
}

// SandboxClaimLifecycle says when a claim ends.
type SandboxClaimLifecycle struct {
	ShutdownTime            *metav1.Time
	TTLSecondsAfterFinished *int32
	ShutdownPolicy          SandboxClaimShutdownPolicy
}

// SandboxClaimShutdownPolicy says what becomes of a claim that ended.
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
	Name          string
	Value         string
	ContainerName string
}

// OnEmptyPoolPolicy says what a claim does when nothing is available.
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
	Conditions []metav1.Condition
	Sandbox    *ClaimedSandbox
}

// ClaimedSandbox is what a client needs to reach its Sandbox.
type ClaimedSandbox struct {
	Name        string
	PodIPs      []string
	ServiceFQDN string
	NodeName    string
	LaunchType  LaunchType
}

// LaunchType says how a claim came to its Sandbox.
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
	metav1.TypeMeta
	metav1.ListMeta
	Items []SandboxClaim
}
