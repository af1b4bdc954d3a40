// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"
	"maps"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// conflictRetry is how often a foreign NetworkPolicy is looked at again: nothing
// watches it.
const conflictRetry = 30 * time.Second

// state is how a template and its NetworkPolicy stand, once the plan is carried out.
type state string

const (
	inPlace   state = "in place"
	unmanaged state = "unmanaged"
	waiting   state = "waiting"  // for the end of a NetworkPolicy that is being deleted
	conflict  state = "conflict" // a foreign NetworkPolicy has the name
	gone      state = "gone"     // the template is
	unknown   state = "unknown"  // the NetworkPolicy could not be read
)

// action is a write to the NetworkPolicy. The zero value is none.
type action string

const (
	keep   action = ""
	create action = "create"
	repair action = "repair"
	remove action = "delete"
)

// observed is what a sync saw. It is read only.
type observed struct {
	// policy that has the name, ours or not.
	policy *networkingv1.NetworkPolicy
	// used: the template is gone, but Sandboxes or Pods of it are not.
	used bool
	// live: read from the API servers, not from caches, so foreign objects are seen.
	live bool
}

// plan is everything that one sync will write, but for the status.
type plan struct {
	state  state
	policy action
	// detail explains waiting and conflict.
	detail string

	requeueAfter time.Duration
}

// decide says what is to be done for the template of a name; nil when it is gone.
func decide(name string, template *v1beta1.SandboxTemplate, seen observed) plan {
	switch {
	case template == nil:
		return plan{state: gone, policy: removal(name, seen)}
	case !render.NetworkPolicyManaged(template):
		return plan{state: unmanaged, policy: removal(name, seen)}
	default:
		return decideManaged(template, seen)
	}
}

// removal of a NetworkPolicy that no template wants. It leaves foreign ones alone.
func removal(name string, seen observed) action {
	policy := seen.policy
	if policy == nil || policy.DeletionTimestamp != nil || seen.used || !render.IsNetworkPolicyOf(policy, name) {
		return keep
	}
	return remove
}

func decideManaged(template *v1beta1.SandboxTemplate, seen observed) plan {
	policy := seen.policy
	switch {
	case policy == nil:
		return plan{state: inPlace, policy: create}
	case !render.IsNetworkPolicyOf(policy, template.Name):
		return plan{
			state:        conflict,
			detail:       fmt.Sprintf("NetworkPolicy %q exists and was not made for this template: it is left alone; delete it, or set networkPolicyManagement to Unmanaged", policy.Name),
			requeueAfter: conflictRetry,
		}
	case policy.DeletionTimestamp != nil:
		return plan{state: waiting, detail: fmt.Sprintf("NetworkPolicy %q is being deleted", policy.Name)}
	case !apiequality.Semantic.DeepEqual(policy, repaired(policy, render.NetworkPolicy(template))):
		return plan{state: inPlace, policy: repair}
	default:
		return plan{state: inPlace}
	}
}

// repaired is current with the labels and the rules that are wanted. Labels of
// others stay.
func repaired(current, wanted *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	policy := current.DeepCopy()
	maps.Copy(policy.Labels, wanted.Labels) // it has some, or it would not be ours
	policy.Spec = wanted.Spec
	return policy
}
