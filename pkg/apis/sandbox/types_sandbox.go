// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Sandbox is an isolated, stateful environment for one agent: at most one Pod,
// a stable name and DNS identity, and disks that outlive the Pod.
type Sandbox struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	Spec   SandboxSpec
	Status SandboxStatus
}

// SandboxSpec is the desired state of a Sandbox.
type SandboxSpec struct {
	PodTemplate                          PodTemplate
	VolumeClaimTemplates                 []PersistentVolumeClaimTemplate
	Service                              *bool
	OperatingMode                        SandboxOperatingMode
	ShutdownTime                         *metav1.Time
	ShutdownPolicy                       SandboxShutdownPolicy
	PersistentVolumeClaimRetentionPolicy *PersistentVolumeClaimRetentionPolicy
	ClaimRef                             *SandboxClaimReference
}

// SandboxOperatingMode says whether a Sandbox should have a Pod.
type SandboxOperatingMode string

const (
	// SandboxRunning keeps a Pod.
	SandboxRunning SandboxOperatingMode = "Running"
	// SandboxSuspended removes the Pod and keeps disks and identity.
	SandboxSuspended SandboxOperatingMode = "Suspended"
)

// SandboxShutdownPolicy says what becomes of an expired Sandbox.
type SandboxShutdownPolicy string

const (
	// SandboxShutdownRetain keeps the object.
	SandboxShutdownRetain SandboxShutdownPolicy = "Retain"
	// SandboxShutdownDelete deletes the object.
	SandboxShutdownDelete SandboxShutdownPolicy = "Delete"
)

// PersistentVolumeClaimRetentionPolicy says what becomes of the disks of a Sandbox.
type PersistentVolumeClaimRetentionPolicy struct {
	WhenDeleted PersistentVolumeClaimRetention
}

// PersistentVolumeClaimRetention is what happens to a disk.
type PersistentVolumeClaimRetention string

const (
	// PersistentVolumeClaimDelete deletes the disk with its Sandbox.
	PersistentVolumeClaimDelete PersistentVolumeClaimRetention = "Delete"
	// PersistentVolumeClaimRetain keeps the disk for a later Sandbox of the same name.
	PersistentVolumeClaimRetain PersistentVolumeClaimRetention = "Retain"
)

// SandboxClaimReference names the claim that holds a Sandbox.
type SandboxClaimReference struct {
	Name string
	UID  types.UID
}

// SandboxStatus is the observed state of a Sandbox.
type SandboxStatus struct {
	Conditions  []metav1.Condition
	ServiceFQDN string
	Service     string
	Selector    string
	PodIPs      []string
	NodeName    string
	PodName     string
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxList is a list of Sandboxes.
type SandboxList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []Sandbox
}
