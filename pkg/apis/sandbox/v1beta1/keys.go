// SPDX-License-Identifier: Apache-2.0

package v1beta1

// KeyPrefix begins every label, annotation and finalizer that belongs to the
// server. Users cannot set such keys in a podTemplate or on a claim's Pod.
const KeyPrefix = GroupName + "/"

// Labels, annotations and finalizers that the server puts on objects. This is the one place
// where they are spelled.
const (
	// SandboxLabel is on every Pod of a Sandbox, with the value "true": the
	// namespace's shared Service selects it.
	SandboxLabel = KeyPrefix + "sandbox"
	// SandboxNameLabel is the name of the Sandbox that a Pod, Service or
	// PersistentVolumeClaim belongs to.
	SandboxNameLabel = KeyPrefix + "sandbox-name"
	// SandboxUIDLabel is the UID of the Sandbox that a child belongs to. On a
	// PersistentVolumeClaim, which has no owner reference, it decides whose it is.
	SandboxUIDLabel = KeyPrefix + "sandbox-uid"
	// SharedServiceLabel is on the headless Service that all Sandboxes of a
	// namespace share, with the value "true".
	SharedServiceLabel = KeyPrefix + "shared-service"
	// ClaimLabel is the name of the claim that holds a Sandbox.
	ClaimLabel = KeyPrefix + "claim"
	// WarmPoolLabel is the name of the pool that a Sandbox was made for.
	WarmPoolLabel = KeyPrefix + "warm-pool"
	// TemplateLabel is the name of the template that a Sandbox was made from.
	TemplateLabel = KeyPrefix + "template"
	// TemplateHashLabel is a hash of what the template gave to a Sandbox when it
	// was made. A Sandbox of a pool is stale when the template gives something else.
	TemplateHashLabel = KeyPrefix + "template-hash"
	// GatewayLabel, with the value "true", marks namespaces whose Pods may reach
	// Sandboxes under the default network policy.
	GatewayLabel = KeyPrefix + "gateway"

	// OrphanDependentsAnnotation, with the value "true", is on a Sandbox that is deleted
	// and was to orphan its children: the garbage collector has let them go and has taken
	// the finalizer off that asked for it. Nobody but the server can set or remove it.
	OrphanDependentsAnnotation = KeyPrefix + "orphan-dependents"

	// SandboxFinalizer keeps a deleted Sandbox until its Pod, Service and disks
	// have been dealt with.
	SandboxFinalizer = KeyPrefix + "cleanup"
)

const (
	// RetainedUID is the value of SandboxUIDLabel on a disk that outlived its Sandbox.
	RetainedUID = "retained"
	// SharedServiceName is the Service that all Sandboxes of a namespace share,
	// and the subdomain of their Pods.
	SharedServiceName = "sandboxes"
)
