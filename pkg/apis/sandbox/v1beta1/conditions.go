// SPDX-License-Identifier: Apache-2.0

package v1beta1

// Condition types. The table in docs/api.md says which reasons go with which state.
const (
	// ConditionReady says whether the Sandbox answers: its Pod is Ready and has an
	// address, and the Service that was asked for exists.
	ConditionReady = "Ready"
	// ConditionSuspended says whether the Pod has gone for a suspend.
	ConditionSuspended = "Suspended"
	// ConditionFinished is True once the Pod ended by itself.
	ConditionFinished = "Finished"
	// ConditionPodScheduled is what the Pod reports under that name.
	ConditionPodScheduled = "PodScheduled"
	// ConditionBound says whether a claim holds a Sandbox.
	ConditionBound = "Bound"
	// ConditionProgressing says whether a pool is moving towards its replicas.
	ConditionProgressing = "Progressing"
	// ConditionAvailable says whether a pool has what it should have.
	ConditionAvailable = "Available"
	// ConditionWithheld says whether a pool has Sandboxes that it neither offers nor deletes,
	// since claims that were lost with etcd may use them. It is there once there were any.
	ConditionWithheld = "Withheld"
	// ConditionNetworkPolicyReady says whether Pods of a template are under its
	// NetworkPolicy; until then none is made.
	ConditionNetworkPolicyReady = "NetworkPolicyReady"
)

// Condition reasons of a Sandbox. They are stable.
const (
	ReasonDependenciesNotReady = "DependenciesNotReady"
	ReasonDependenciesReady    = "DependenciesReady"
	ReasonNotSuspended         = "NotSuspended"
	ReasonPodTerminating       = "PodTerminating"
	ReasonPodTerminated        = "PodTerminated"
	ReasonSandboxSuspended     = "SandboxSuspended"
	ReasonSandboxExpired       = "SandboxExpired"
	ReasonPodSucceeded         = "PodSucceeded"
	ReasonPodFailed            = "PodFailed"
	ReasonPodNotOwned          = "PodNotOwned"
	ReasonNameConflict         = "NameConflict"
	ReasonPodStateUnknown      = "PodStateUnknown"
	ReasonReconcilerError      = "ReconcilerError"
)

// Condition reasons of a claim. Its Ready condition says what that of its
// Sandbox says, once it has one.
const (
	ReasonSandboxBound      = "SandboxBound"
	ReasonWaitingForSandbox = "WaitingForSandbox"
	ReasonSandboxStarting   = "SandboxStarting"
	ReasonSandboxLost       = "SandboxLost"
	ReasonPoolNotFound      = "PoolNotFound"
	ReasonClaimExpired      = "ClaimExpired"
)
