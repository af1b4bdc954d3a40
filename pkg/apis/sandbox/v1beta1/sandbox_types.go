// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// +genclient
// +genclient:method=Suspend,verb=create,subresource=suspend,input=SuspendOptions,result=Sandbox
// +genclient:method=Resume,verb=create,subresource=resume,input=ResumeOptions,result=Sandbox
// +genclient:method=Claim,verb=create,subresource=claim,input=SandboxClaim,result=SandboxClaim
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Sandbox is an isolated, stateful environment for one agent: at most one Pod,
// a stable name and DNS identity, and disks that outlive the Pod.
type Sandbox struct {
	metav1.TypeMeta `json:",inline"`

	// Standard object metadata. The name is a DNS label of at most 63 characters:
	// it is also the name and the hostname of the Pod.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// Spec is the desired state of the Sandbox.
	Spec SandboxSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`

	// Status is the observed state of the Sandbox. It is written by the server only.
	// +optional
	Status SandboxStatus `json:"status,omitempty" protobuf:"bytes,3,opt,name=status"`
}

// SandboxSpec is the desired state of a Sandbox.
type SandboxSpec struct {
	// PodTemplate describes the Pod that runs while the Sandbox is Running. A
	// change of the spec takes effect with the next Pod. Labels that are added or
	// changed, and annotations that are added, are put on the running Pod as well;
	// removed ones go with it.
	PodTemplate PodTemplate `json:"podTemplate" protobuf:"bytes,1,opt,name=podTemplate"`

	// VolumeClaimTemplates are disks of this Sandbox. Each becomes a
	// PersistentVolumeClaim called TEMPLATE-SANDBOX before the Pod is made, and is
	// mounted by the name of its template. They survive suspend and resume.
	// Immutable.
	// +optional
	// +listType=atomic
	VolumeClaimTemplates []PersistentVolumeClaimTemplate `json:"volumeClaimTemplates,omitempty" protobuf:"bytes,2,rep,name=volumeClaimTemplates"`

	// Service asks for a headless Service of the Sandbox's own name. Without it the
	// Sandbox is reached as NAME.sandboxes.NAMESPACE.svc through the Service that
	// all Sandboxes of a namespace share.
	// +optional
	Service *bool `json:"service,omitempty" protobuf:"varint,3,opt,name=service"`

	// OperatingMode is Running or Suspended. A suspended Sandbox has no Pod and
	// keeps its disks and its name. The subresources suspend and resume change it
	// under permissions of their own.
	// +optional
	OperatingMode SandboxOperatingMode `json:"operatingMode,omitempty" protobuf:"bytes,4,opt,name=operatingMode,casttype=SandboxOperatingMode"`

	// ShutdownTime is when the Sandbox expires: its Pod and its own Service are
	// removed, and shutdownPolicy says what becomes of the object. It must lie in
	// the future when the Sandbox is created.
	// +optional
	ShutdownTime *metav1.Time `json:"shutdownTime,omitempty" protobuf:"bytes,5,opt,name=shutdownTime"`

	// ShutdownPolicy is Retain (the default: the object stays, not Ready, with
	// reason SandboxExpired) or Delete.
	// +optional
	ShutdownPolicy SandboxShutdownPolicy `json:"shutdownPolicy,omitempty" protobuf:"bytes,6,opt,name=shutdownPolicy,casttype=SandboxShutdownPolicy"`

	// PersistentVolumeClaimRetentionPolicy says what becomes of the disks.
	// +optional
	PersistentVolumeClaimRetentionPolicy *PersistentVolumeClaimRetentionPolicy `json:"persistentVolumeClaimRetentionPolicy,omitempty" protobuf:"bytes,7,opt,name=persistentVolumeClaimRetentionPolicy"`

	// ClaimRef is the claim that holds this Sandbox. It is written once, by a
	// claim; nobody else can set or change it.
	// +optional
	ClaimRef *SandboxClaimReference `json:"claimRef,omitempty" protobuf:"bytes,8,opt,name=claimRef"`
}

// SandboxOperatingMode says whether a Sandbox should have a Pod.
// +enum
type SandboxOperatingMode string

const (
	// SandboxRunning keeps a Pod.
	SandboxRunning SandboxOperatingMode = "Running"
	// SandboxSuspended removes the Pod and keeps disks and identity.
	SandboxSuspended SandboxOperatingMode = "Suspended"
)

// SandboxShutdownPolicy says what becomes of an expired Sandbox.
// +enum
type SandboxShutdownPolicy string

const (
	// SandboxShutdownRetain keeps the object.
	SandboxShutdownRetain SandboxShutdownPolicy = "Retain"
	// SandboxShutdownDelete deletes the object.
	SandboxShutdownDelete SandboxShutdownPolicy = "Delete"
)

// PersistentVolumeClaimRetentionPolicy says what becomes of the disks of a Sandbox.
type PersistentVolumeClaimRetentionPolicy struct {
	// WhenDeleted is Delete (the default) or Retain. A retained disk is taken
	// back by a later Sandbox of the same name.
	// +optional
	WhenDeleted PersistentVolumeClaimRetention `json:"whenDeleted,omitempty" protobuf:"bytes,1,opt,name=whenDeleted,casttype=PersistentVolumeClaimRetention"`
}

// PersistentVolumeClaimRetention is what happens to a disk.
// +enum
type PersistentVolumeClaimRetention string

const (
	// PersistentVolumeClaimDelete deletes the disk with its Sandbox.
	PersistentVolumeClaimDelete PersistentVolumeClaimRetention = "Delete"
	// PersistentVolumeClaimRetain keeps the disk for a later Sandbox of the same name.
	PersistentVolumeClaimRetain PersistentVolumeClaimRetention = "Retain"
)

// SandboxClaimReference names the claim that holds a Sandbox.
type SandboxClaimReference struct {
	// Name of the claim, in the namespace of the Sandbox.
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// UID of the claim.
	UID types.UID `json:"uid" protobuf:"bytes,2,opt,name=uid,casttype=k8s.io/apimachinery/pkg/types.UID"`
}

// SandboxStatus is the observed state of a Sandbox.
type SandboxStatus struct {
	// Conditions: Ready, Suspended, Finished (once the Pod ended by itself) and
	// PodScheduled (as the Pod reports it).
	// +optional
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type" protobuf:"bytes,1,rep,name=conditions"`

	// ServiceFQDN is the stable DNS name of the Sandbox.
	// +optional
	ServiceFQDN string `json:"serviceFQDN,omitempty" protobuf:"bytes,2,opt,name=serviceFQDN"`

	// Service is the name of the Service behind serviceFQDN.
	// +optional
	Service string `json:"service,omitempty" protobuf:"bytes,3,opt,name=service"`

	// Selector is the label selector, in string form, that finds the Pod.
	// +optional
	Selector string `json:"selector,omitempty" protobuf:"bytes,4,opt,name=selector"`

	// PodIPs are the addresses of the Pod; empty while there is none.
	// +optional
	// +listType=atomic
	PodIPs []string `json:"podIPs,omitempty" protobuf:"bytes,5,rep,name=podIPs"`

	// NodeName is the node that the Pod runs on.
	// +optional
	NodeName string `json:"nodeName,omitempty" protobuf:"bytes,6,opt,name=nodeName"`

	// PodName is the name of the Pod; empty while there is none.
	// +optional
	PodName string `json:"podName,omitempty" protobuf:"bytes,7,opt,name=podName"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SandboxList is a list of Sandboxes.
type SandboxList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// Items are the Sandboxes.
	Items []Sandbox `json:"items" protobuf:"bytes,2,rep,name=items"`
}
