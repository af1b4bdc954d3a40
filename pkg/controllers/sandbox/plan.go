// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

const (
	// conflictRetry is how often a foreign object is looked at again: nothing watches it.
	conflictRetry = 30 * time.Second
	// replaceAge is how old a lost Pod must be before it is replaced. It is the
	// brake on kubelets that refuse one Pod after the other, and needs no memory.
	replaceAge = 10 * time.Second
)

// state is what a Sandbox is doing; each is a row of the table of conditions.
type state string

const (
	running    state = "running" // not yet up, or up: the Pod says which
	suspending state = "suspending"
	suspended  state = "suspended"
	finished   state = "finished"
	expired    state = "expired"
	conflict   state = "conflict"
	deleting   state = "deleting"
	unknown    state = "unknown" // the children could not be read
)

// action is a write to one object. The zero value is none.
type action string

const (
	keep     action = ""
	create   action = "create"
	repair   action = "repair"    // labels, owners, selector
	takeBack action = "take back" // of a retained disk
	retain   action = "retain"    // of a child of ours: it is the user's from now on
	remove   action = "delete"
	kill     action = "kill"    // delete without grace: nobody is left to give it
	release  action = "release" // remove the finalizer
)

// observed is what a sync saw of the children of a Sandbox. It is read only.
type observed struct {
	pod *corev1.Pod
	// node of the Pod; nil without Pod, before it is scheduled, and when the node is gone.
	node        *corev1.Node
	shared, own *corev1.Service
	// disks has the PersistentVolumeClaims that exist, by name.
	disks map[string]*corev1.PersistentVolumeClaim
	// template that the Sandbox was made from; nil without, when it is gone, and when there is a Pod.
	template *v1beta1.SandboxTemplate
	// live: read from the API server, not from caches, so foreign objects are seen.
	live bool
}

// plan is everything that one sync will write, and why.
type plan struct {
	state state
	// detail overrides what status would say of the state.
	detail string
	// ending of a finished Sandbox.
	ending ending

	shared, own action
	disks       []diskAction
	pod         action
	// why the Pod is deleted: a label of the metric and part of the Event.
	why string
	// sandbox is what happens to the object itself.
	sandbox action

	requeueAfter time.Duration
}

// diskAction is a write to the PersistentVolumeClaim of the template with that index.
type diskAction struct {
	template int
	action   action
}

// decide says what is to be done for a Sandbox whose children are as seen.
func decide(sandbox *v1beta1.Sandbox, seen observed, now time.Time) plan {
	remaining, expires := untilShutdown(sandbox, now)
	switch {
	case sandbox.DeletionTimestamp != nil:
		return decideDeleted(sandbox, seen)
	case expires && remaining <= 0:
		return decideExpired(sandbox, seen)
	}
	var p plan
	switch {
	case meta.IsStatusConditionTrue(sandbox.Status.Conditions, v1beta1.ConditionFinished):
		p = decideFinished(sandbox, seen)
	case sandbox.Spec.OperatingMode == v1beta1.SandboxSuspended:
		p = decideSuspended(sandbox, seen)
	default:
		p = decideRunning(sandbox, seen, now)
	}
	p.decideServices(sandbox, seen)
	if expires {
		p.lookAgainAfter(remaining)
	}
	return p
}

// lookAgainAfter keeps the earliest time.
func (p *plan) lookAgainAfter(delay time.Duration) {
	if p.requeueAfter == 0 || delay < p.requeueAfter {
		p.requeueAfter = delay
	}
}

func untilShutdown(sandbox *v1beta1.Sandbox, now time.Time) (remaining time.Duration, expires bool) {
	if sandbox.Spec.ShutdownTime == nil {
		return 0, false
	}
	return sandbox.Spec.ShutdownTime.Sub(now), true
}

// writes says whether the plan changes anything but the status.
func (p plan) writes() bool {
	actions := []action{p.shared, p.own, p.pod, p.sandbox}
	return len(p.disks) > 0 || slices.ContainsFunc(actions, func(a action) bool { return a != keep })
}

// onlyRelabels says whether all that the plan writes is metadata of a Pod that has its
// controller reference. What a stale Sandbox gets wrong there the next sync puts right,
// and every warm claim causes one such write. A Pod without the reference may be the
// user's by now, so it is another matter.
func (p plan) onlyRelabels(seen observed, sandbox *v1beta1.Sandbox) bool {
	if p.pod != repair || !metav1.IsControlledBy(seen.pod, sandbox) {
		return false
	}
	p.pod = keep
	return !p.writes() && !p.wantsLive(sandbox)
}

// wantsLive says whether the plan would do or claim something that a stale cache
// must not be believed for: that a node is gone, that no Pod is left, or that one
// runs which should have ended.
func (p plan) wantsLive(sandbox *v1beta1.Sandbox) bool {
	newlySuspended := p.state == suspended && !meta.IsStatusConditionTrue(sandbox.Status.Conditions, v1beta1.ConditionSuspended)
	return p.pod == kill || p.sandbox == release || newlySuspended || p.pod != keep && p.why == whyFinished
}

func decideSuspended(sandbox *v1beta1.Sandbox, seen observed) plan {
	switch {
	case seen.pod == nil:
		return plan{state: suspended}
	case !owned(seen.pod, sandbox):
		return foreign("Pod", seen.pod.Name)
	default:
		return plan{state: suspending, pod: removal(seen), why: whySuspended}
	}
}

// decideFinished keeps the Pod for its logs. One that has not ended cannot be the
// Pod that finished, so it should not be there.
func decideFinished(sandbox *v1beta1.Sandbox, seen observed) plan {
	recorded := meta.FindStatusCondition(sandbox.Status.Conditions, v1beta1.ConditionFinished)
	p := plan{state: finished, ending: ending(recorded.Reason)}
	pod := ownedPod(sandbox, seen)
	switch {
	case pod == nil || pod.DeletionTimestamp != nil:
	case endingOf(pod) == alive:
		p.pod, p.why = removal(seen), whyFinished
	default:
		p.pod = podRepair(sandbox, seen)
	}
	return p
}

func decideExpired(sandbox *v1beta1.Sandbox, seen observed) plan {
	p := plan{state: expired}
	if sandbox.Spec.ShutdownPolicy == v1beta1.SandboxShutdownDelete {
		p.sandbox = remove
		return p
	}
	if ownedPod(sandbox, seen) != nil {
		p.pod, p.why = removal(seen), whyExpired
	}
	p.own = ownServiceRemoval(sandbox, seen)
	return p
}

// decideDeleted clears up behind a deleted Sandbox. The disks come last: the Pod
// may still write to them.
func decideDeleted(sandbox *v1beta1.Sandbox, seen observed) plan {
	p := plan{state: deleting}
	if !slices.Contains(sandbox.Finalizers, v1beta1.SandboxFinalizer) {
		return p // it has been cleared up, and waits for somebody else
	}
	if orphaning(sandbox) {
		return decideOrphaning(sandbox, seen)
	}
	p.own = ownServiceRemoval(sandbox, seen)
	if ownedPod(sandbox, seen) != nil {
		p.pod, p.why = removal(seen), whyDeleted
		return p
	}
	what := remove
	if policy := sandbox.Spec.PersistentVolumeClaimRetentionPolicy; policy != nil && policy.WhenDeleted == v1beta1.PersistentVolumeClaimRetain {
		what = retain
	}
	p.disks, p.sandbox = settleDisks(sandbox, seen, what), release
	return p
}

// decideOrphaning leaves everything to the user, whether the garbage collector has let
// go of it yet or not.
func decideOrphaning(sandbox *v1beta1.Sandbox, seen observed) plan {
	p := plan{state: deleting, disks: settleDisks(sandbox, seen, retain), sandbox: release}
	if ownedPod(sandbox, seen) != nil {
		p.pod = retain
	}
	if seen.own != nil && owned(seen.own, sandbox) {
		p.own = retain
	}
	return p
}

// orphaning says whether the deletion of a Sandbox is to leave its children.
func orphaning(sandbox *v1beta1.Sandbox) bool {
	_, marked := sandbox.Annotations[v1beta1.OrphanDependentsAnnotation]
	return marked || slices.Contains(sandbox.Finalizers, metav1.FinalizerOrphanDependents)
}

// settleDisks does the same with every disk of a deleted Sandbox: delete it, or retain
// it for a later one of the same name.
func settleDisks(sandbox *v1beta1.Sandbox, seen observed, what action) []diskAction {
	var actions []diskAction
	for i := range sandbox.Spec.VolumeClaimTemplates {
		name := render.PersistentVolumeClaimName(sandbox, &sandbox.Spec.VolumeClaimTemplates[i])
		if disk := seen.disks[name]; disk != nil && ownsDisk(disk, sandbox) && disk.DeletionTimestamp == nil {
			actions = append(actions, diskAction{i, what})
		}
	}
	return actions
}

// removal of a Pod of ours. The kubelet ends it in its own time, unless the node
// is gone: then nobody does.
func removal(seen observed) action {
	pod := seen.pod
	switch {
	case nodeGone(seen) && ptr.Deref(pod.DeletionGracePeriodSeconds, 1) != 0:
		return kill
	case pod.DeletionTimestamp != nil:
		return keep
	default:
		return remove
	}
}

func nodeGone(seen observed) bool {
	return seen.pod.Spec.NodeName != "" && seen.node == nil
}

func ownServiceRemoval(sandbox *v1beta1.Sandbox, seen observed) action {
	if seen.own == nil || seen.own.DeletionTimestamp != nil || !owned(seen.own, sandbox) {
		return keep
	}
	return remove
}

// foreign is the plan when an object of a name that the Sandbox needs is not its own.
func foreign(kind, name string) plan {
	return plan{
		state:        conflict,
		detail:       fmt.Sprintf("%s %q exists and does not belong to this Sandbox: it is left alone; delete it, or use another name", kind, name),
		requeueAfter: conflictRetry,
	}
}
