// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// unreadyGrace is how long a member that has a node may be unready before it is
// replaced: image pulls and slow starts have to fit in.
const unreadyGrace = 5 * time.Minute

// poolKind is the kind in the controller reference of a member.
const poolKind = "SandboxWarmPool"

// health says what is to be expected of a member. The order is that in which members
// are given up: the first are of the least use.
type health int

const (
	finished health = iota // it ended by itself and will not come back
	stuck                  // it has been unready for longer than unreadyGrace
	unplaced               // it has no node, or no Pod, and something says why
	starting               // it is on its way
	healthy                // its Ready is True
)

// member is what a plan knows of one member.
type member struct {
	name            string
	uid             types.UID
	resourceVersion string
	created         time.Time
	health          health
	// ready is healthy, and that at its current generation.
	ready bool
	// stale says that it was made from something else than the template of today.
	stale bool
	// stuckAt is when a starting member becomes stuck; zero if it does not.
	stuckAt time.Time
	// mayReturn says that a request for it was not answered: were it deleted, that might
	// make it again. So its deletion leaves no vacancy yet.
	mayReturn bool
	// message is what a member says that is not Ready.
	message string
}

// blueprint is what new members are made from.
type blueprint struct {
	template *v1beta1.SandboxTemplate // nil if there is none
	hash     string
}

// isMember says whether a Sandbox belongs to the pool, deleted or not.
func isMember(sandbox *v1beta1.Sandbox, pool *v1beta1.SandboxWarmPool) bool {
	ref := metav1.GetControllerOfNoCopy(sandbox)
	return ref != nil && ref.UID == pool.UID && isPool(ref) &&
		sandbox.Namespace == pool.Namespace && sandbox.Spec.ClaimRef == nil
}

// poolOf is the pool that a Sandbox says it belongs to.
func poolOf(sandbox *v1beta1.Sandbox) (worker.Key, bool) {
	ref := metav1.GetControllerOfNoCopy(sandbox)
	if ref == nil || !isPool(ref) || sandbox.Spec.ClaimRef != nil {
		return worker.Key{}, false
	}
	return worker.Key{Namespace: sandbox.Namespace, Name: ref.Name}, true
}

func isPool(ref *metav1.OwnerReference) bool {
	return ref.Kind == poolKind && ref.APIVersion == v1beta1.SchemeGroupVersion.String()
}

func memberOf(sandbox *v1beta1.Sandbox, from blueprint, now time.Time) member {
	m := member{
		name:            sandbox.Name,
		uid:             sandbox.UID,
		resourceVersion: sandbox.ResourceVersion,
		created:         sandbox.CreationTimestamp.Time,
		stale:           isStale(sandbox, from),
	}
	m.health, m.stuckAt = healthOf(sandbox, now)
	if condition := meta.FindStatusCondition(sandbox.Status.Conditions, v1beta1.ConditionReady); condition != nil {
		m.message = condition.Message
		m.ready = m.health == healthy && condition.ObservedGeneration >= sandbox.Generation
	}
	return m
}

// isStale is never said without a template: there is nothing to be made instead.
func isStale(sandbox *v1beta1.Sandbox, from blueprint) bool {
	return from.template != nil && (sandbox.Labels[v1beta1.TemplateLabel] != from.template.Name ||
		sandbox.Labels[v1beta1.TemplateHashLabel] != from.hash)
}

// healthOf believes the status whatever generation it was observed at: that a
// controller is behind says nothing about the Pod.
func healthOf(sandbox *v1beta1.Sandbox, now time.Time) (is health, stuckAt time.Time) {
	conditions := sandbox.Status.Conditions
	condition := meta.FindStatusCondition(conditions, v1beta1.ConditionReady)
	scheduled := meta.FindStatusCondition(conditions, v1beta1.ConditionPodScheduled)
	switch {
	case meta.IsStatusConditionTrue(conditions, v1beta1.ConditionFinished):
		return finished, time.Time{}
	case condition != nil && condition.Status == metav1.ConditionTrue:
		return healthy, time.Time{}
	case scheduled != nil && scheduled.Status == metav1.ConditionFalse:
		return unplaced, time.Time{}
	case scheduled == nil && condition != nil && condition.Reason == v1beta1.ReasonReconcilerError:
		return unplaced, time.Time{} // its Pod or a disk is refused
	case scheduled == nil && (condition == nil || condition.Reason == v1beta1.ReasonDependenciesNotReady):
		return starting, time.Time{} // nobody has got round to it yet
	}
	stuckAt = sandbox.CreationTimestamp.Time
	for _, changed := range []*metav1.Condition{condition, scheduled} {
		if changed != nil && changed.LastTransitionTime.After(stuckAt) {
			stuckAt = changed.LastTransitionTime.Time
		}
	}
	stuckAt = stuckAt.Add(unreadyGrace)
	if now.Before(stuckAt) {
		return starting, stuckAt
	}
	return stuck, stuckAt
}
