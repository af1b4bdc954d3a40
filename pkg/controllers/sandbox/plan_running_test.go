// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestDecideRunningWithoutPod(t *testing.T) {
	waiting := func(detail string, disks ...diskAction) plan {
		return plan{state: running, detail: detail, disks: disks}
	}
	conflicting := func(detail string) plan {
		return plan{state: conflict, detail: detail, requeueAfter: conflictRetry}
	}
	checkPlans(t, map[string]planTest{
		"everything is made, in one go": {
			newSandbox(withService, withDisks("data", "cache")), see(noShared),
			plan{state: running, shared: create, own: create, disks: []diskAction{{0, create}, {1, create}}, pod: create},
		},
		"the Pod follows when all is there": {
			newSandbox(withService, withDisks("data")), see(ownService(), newDisk("data")),
			plan{state: running, pod: create},
		},
		"resumed, with the old Pod still there: one at a time": {
			newSandbox(), see(newPod(up, terminating)),
			plan{state: running},
		},
		"a disk of ours is being deleted": {
			newSandbox(withDisks("data", "cache")), see(newDisk("data", terminatingDisk)),
			waiting(`PersistentVolumeClaim "data-dev" is being deleted`, diskAction{1, create}),
		},
		"a disk of the Sandbox before is being deleted": {
			newSandbox(withDisks("data")), see(newDisk("data", diskOf("uid-before"), terminatingDisk)),
			waiting(`PersistentVolumeClaim "data-dev" is being deleted`),
		},
		"a retained disk is taken back": {
			newSandbox(withDisks("data")), see(newDisk("data", diskOf(v1beta1.RetainedUID))),
			plan{state: running, disks: []diskAction{{0, takeBack}}, pod: create},
		},
		"a disk retained by another name is not": {
			newSandbox(withDisks("data")), see(newDisk("data", diskOf(v1beta1.RetainedUID), func(d *corev1.PersistentVolumeClaim) {
				d.Labels[v1beta1.SandboxNameLabel] = "data-dev"
			})),
			conflicting(`PersistentVolumeClaim "data-dev" exists`),
		},
		"a disk of another Sandbox is not mounted": {
			newSandbox(withDisks("data")), see(newDisk("data", diskOf("uid-other"))),
			conflicting(`PersistentVolumeClaim "data-dev" exists`),
		},
		"a disk of a stranger is not mounted, and no other disk is made": {
			newSandbox(withDisks("cache", "data")), see(newDisk("data", strangeDisk)),
			conflicting(`PersistentVolumeClaim "data-dev" exists`),
		},
		"a foreign Pod": {
			newSandbox(withDisks("data")), see(newPod(stranger)),
			conflicting(`Pod "dev" exists`),
		},
		"a Pod that has our labels and no owner": {
			newSandbox(), see(newPod(unowned)),
			conflicting(`Pod "dev" exists`),
		},
		"a Pod of another Sandbox of that name": {
			newSandbox(func(s *v1beta1.Sandbox) { s.UID = "uid-after" }), see(newPod(up)),
			conflicting(`Pod "dev" exists`),
		},
		"a foreign own Service": {
			newSandbox(withService, withDisks("data")), see(ownService(strangeService)),
			conflicting(`Service "dev" exists`),
		},
		"a foreign Service of that name that nobody asked for": {
			newSandbox(), see(ownService(strangeService)),
			plan{state: running, pod: create},
		},
		"a foreign shared Service: no anchor, no Pod": {
			newSandbox(withDisks("data")), see(sharedService(strangeService)),
			conflicting(`Service "sandboxes" exists`),
		},
		"a shared Service that somebody controls": {
			newSandbox(), see(sharedService(func(s *corev1.Service) {
				s.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(newNode(""), corev1.SchemeGroupVersion.WithKind("Node"))}
			})),
			conflicting(`Service "sandboxes" exists`),
		},
		"a shared Service that is being deleted": {
			newSandbox(withDisks("data")), see(sharedService(terminatingService)),
			waiting(`Service "sandboxes" is being deleted`),
		},
		"an own Service that is being deleted": {
			newSandbox(withService), see(ownService(terminatingService)),
			waiting(`Service "dev" is being deleted`),
		},
		"a conflict does not hide the time of expiry": {
			newSandbox(withShutdown(time.Second)), see(newPod(stranger)),
			plan{state: conflict, detail: `Pod "dev" exists`, requeueAfter: time.Second},
		},
	})
}

func TestDecideRunningWithPod(t *testing.T) {
	up := newPod(up)
	gone := plan{state: running, pod: kill, why: whyNodeGone}
	checkPlans(t, map[string]planTest{
		"up: nothing to do":               {newSandbox(), see(up), plan{state: running}},
		"a changed template waits":        {newSandbox(func(s *v1beta1.Sandbox) { s.Spec.PodTemplate.Spec.Containers[0].Image = "new" }), see(up), plan{state: running}},
		"the own Service is made":         {newSandbox(withService), see(up), plan{state: running, own: create}},
		"the own Service is taken away":   {newSandbox(), see(up, ownService()), plan{state: running, own: remove}},
		"it is going already":             {newSandbox(), see(up, ownService(terminatingService)), plan{state: running}},
		"a disk that vanished is made":    {newSandbox(withDisks("data")), see(up), plan{state: running, disks: []diskAction{{0, create}}}},
		"a disk on its way out is no bar": {newSandbox(withDisks("data")), see(up, newDisk("data", terminatingDisk)), plan{state: running}},
		"an own Service of the wrong selector": {
			newSandbox(withService), see(up, ownService(func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "x"} })),
			plan{state: running, own: repair},
		},
		"a shared Service that lost its selector label": {
			newSandbox(), see(up, sharedService(func(s *corev1.Service) { delete(s.Labels, v1beta1.SandboxNameLabel) })),
			plan{state: running, shared: repair},
		},
		"claimed: the labels follow": {
			newSandbox(func(s *v1beta1.Sandbox) { s.Labels = map[string]string{v1beta1.ClaimLabel: "mine"} }), see(up),
			plan{state: running, pod: repair},
		},
		"the shared Service was made anew: a new anchor": {
			newSandbox(withService), see(up, ownService(), sharedService(func(s *corev1.Service) { s.UID = "uid-new" })),
			plan{state: running, own: repair, pod: repair},
		},
		"the shared Service is gone: it comes first": {
			newSandbox(), see(up, noShared),
			plan{state: running, shared: create},
		},
		"the node is not ready: taint eviction decides": {newSandbox(), see(up, newNode(corev1.ConditionUnknown)), plan{state: running}},
		"the node is gone": {newSandbox(), see(up, noNode), gone},
		"the node is gone under a Pod that was going": {newSandbox(), see(newPod(terminating), noNode), gone},
		"no node yet": {newSandbox(), see(newPod(unscheduled), noNode), plan{state: running}},
		"a Service conflict leaves the Pod alone": {
			newSandbox(), see(up, sharedService(strangeService)),
			plan{state: conflict, detail: `Service "sandboxes" exists`, requeueAfter: conflictRetry},
		},
		"evicted: replaced": {
			newSandbox(), see(newPod(inPhase(corev1.PodFailed), because("Evicted"))),
			plan{state: running, pod: remove, why: whyLost},
		},
		"evicted on a node that is gone": {
			newSandbox(), see(newPod(inPhase(corev1.PodFailed), because("Evicted")), noNode),
			plan{state: running, pod: remove, why: whyLost},
		},
		"refused by the kubelet a moment ago: the brake": {
			newSandbox(), see(newPod(young, inPhase(corev1.PodFailed), because("OutOfcpu"))),
			plan{state: running, requeueAfter: 7 * time.Second},
		},
		"drained: the Pod is going, its containers end": {
			newSandbox(), see(newPod(never, terminating, inPhase(corev1.PodFailed), exited(143))),
			plan{state: running},
		},
		"succeeded": {
			newSandbox(), see(newPod(never, inPhase(corev1.PodSucceeded), exited(0))),
			plan{state: finished, ending: succeeded},
		},
		"failed": {
			newSandbox(), see(newPod(never, inPhase(corev1.PodFailed), exited(1))),
			plan{state: finished, ending: failed},
		},
		"finished although its node went afterwards": {
			newSandbox(), see(newPod(never, inPhase(corev1.PodSucceeded), exited(0)), noNode),
			plan{state: finished, ending: succeeded},
		},
		"finished although a Service conflicts": {
			newSandbox(), see(newPod(never, inPhase(corev1.PodSucceeded), exited(0)), sharedService(strangeService)),
			plan{state: finished, ending: succeeded},
		},
	})
}
