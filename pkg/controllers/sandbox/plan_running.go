// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// decideRunning keeps one Pod, as long as it does not end by itself.
func decideRunning(sandbox *v1beta1.Sandbox, seen observed, now time.Time) plan {
	pod := seen.pod
	switch {
	case pod == nil:
		return decideNewPod(sandbox, seen)
	case !owned(pod, sandbox):
		return foreign("Pod", pod.Name)
	case pod.DeletionTimestamp != nil:
		return plan{state: running, pod: removal(seen), why: whyNodeGone}
	}
	switch how := endingOf(pod); {
	case how == lost:
		return replacement(pod, now)
	case how != alive:
		return plan{state: finished, ending: how, pod: podRepair(sandbox, seen)}
	case nodeGone(seen):
		return plan{state: running, pod: removal(seen), why: whyNodeGone}
	default:
		disks, _ := wantedDisks(sandbox, seen)
		return plan{state: running, disks: disks, pod: podRepair(sandbox, seen)}
	}
}

func replacement(pod *corev1.Pod, now time.Time) plan {
	if wait := replaceAge - now.Sub(pod.CreationTimestamp.Time); wait > 0 {
		return plan{state: running, requeueAfter: wait}
	}
	return plan{state: running, pod: remove, why: whyLost}
}

// decideNewPod makes a Pod as soon as every disk is there, and what its template says
// about the network.
func decideNewPod(sandbox *v1beta1.Sandbox, seen observed) plan {
	disks, block := wantedDisks(sandbox, seen)
	switch {
	case block.foreign != "":
		return foreign("PersistentVolumeClaim", block.foreign)
	case block.waiting != "":
		return plan{state: running, disks: disks, detail: block.waiting}
	case awaitedNetwork(seen.template) != "":
		return plan{state: running, disks: disks, detail: awaitedNetwork(seen.template)}
	default:
		return plan{state: running, disks: disks, pod: create}
	}
}

// awaitedNetwork says what a new Pod of a template has to wait for, so that the
// network policy is there before it runs. A template that is gone has no say.
func awaitedNetwork(template *v1beta1.SandboxTemplate) string {
	if template == nil || !render.NetworkPolicyManaged(template) {
		return ""
	}
	ready := meta.FindStatusCondition(template.Status.Conditions, v1beta1.ConditionNetworkPolicyReady)
	message := fmt.Sprintf("waiting for the NetworkPolicy of SandboxTemplate %q", template.Name)
	switch {
	case ready == nil || ready.ObservedGeneration != template.Generation:
		return message
	case ready.Status != metav1.ConditionTrue:
		return message + ": " + ready.Message
	default:
		return ""
	}
}

// obstacle is why a Pod cannot be made: the name of a foreign object, or what is
// being waited for.
type obstacle struct {
	foreign, waiting string
}

// wantedDisks makes or takes back what a Pod of the Sandbox mounts. A disk that
// is being deleted is waited for, whoever it belonged to: its name will be free.
func wantedDisks(sandbox *v1beta1.Sandbox, seen observed) ([]diskAction, obstacle) {
	var actions []diskAction
	var block obstacle
	for i := range sandbox.Spec.VolumeClaimTemplates {
		name := render.PersistentVolumeClaimName(sandbox, &sandbox.Spec.VolumeClaimTemplates[i])
		switch disk := seen.disks[name]; {
		case disk == nil:
			actions = append(actions, diskAction{i, create})
		case disk.DeletionTimestamp != nil:
			block.waiting = fmt.Sprintf("PersistentVolumeClaim %q is being deleted", name)
		case ownsDisk(disk, sandbox):
		case retained(disk, sandbox):
			actions = append(actions, diskAction{i, takeBack})
		default:
			block.foreign = name
		}
	}
	return actions, block
}

// podRepair keeps labels, annotations and owners of a Pod of ours up to date.
func podRepair(sandbox *v1beta1.Sandbox, seen observed) action {
	if len(podDrift(seen.pod, sandbox, seen.shared)) > 0 {
		return repair
	}
	return keep
}

// decideServices adds the Services to the plan of a Sandbox that goes on living.
// Without the shared one no Pod is made: it would have no anchor.
func (p *plan) decideServices(sandbox *v1beta1.Sandbox, seen observed) {
	var block obstacle
	p.shared, block = decideService(seen.shared, render.SharedService(sandbox.Namespace), isShared)
	p.blockedBy(block)

	if !ptr.Deref(sandbox.Spec.Service, false) {
		p.own = ownServiceRemoval(sandbox, seen)
		return
	}
	wanted := render.Service(sandbox, "")
	if seen.shared != nil {
		wanted = render.Service(sandbox, seen.shared.UID)
	}
	p.own, block = decideService(seen.own, wanted, func(s *corev1.Service) bool { return owned(s, sandbox) })
	p.blockedBy(block)
}

func decideService(current, wanted *corev1.Service, ours func(*corev1.Service) bool) (action, obstacle) {
	switch {
	case current == nil:
		return create, obstacle{}
	case current.DeletionTimestamp != nil:
		return keep, obstacle{waiting: fmt.Sprintf("Service %q is being deleted", current.Name)}
	case !ours(current):
		return keep, obstacle{foreign: current.Name}
	case len(serviceDrift(current, wanted)) > 0:
		return repair, obstacle{}
	default:
		return keep, obstacle{}
	}
}

// blockedBy takes the creation of the Pod back. Only a running Sandbox speaks of
// it: the conditions of the others do not depend on Services.
func (p *plan) blockedBy(block obstacle) {
	if p.state != running || block == (obstacle{}) {
		return
	}
	if p.pod == create {
		p.pod, p.disks, p.detail = keep, nil, block.waiting
	}
	if block.foreign != "" {
		blocked := foreign("Service", block.foreign)
		p.state, p.detail = blocked.state, blocked.detail
		p.lookAgainAfter(blocked.requeueAfter)
	}
}
