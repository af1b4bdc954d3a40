// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// strip does what the garbage collector does to a child of a Sandbox that it was told
// does not exist.
func strip(obj metav1.Object) { obj.SetOwnerReferences(obj.GetOwnerReferences()[1:]) }

func strippedPod(p *corev1.Pod)               { strip(p) }
func strippedService(service *corev1.Service) { strip(service) }

func theirController(p *corev1.Pod) {
	strip(p)
	p.OwnerReferences = append(p.OwnerReferences,
		metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "x", UID: "uid-x", Controller: ptr.To(true)})
}

func TestDecideOnDetachedChildren(t *testing.T) {
	const conflictDetail = `Pod "dev" exists`
	checkPlans(t, map[string]planTest{
		"taken back as it runs": {
			newSandbox(withService), see(newPod(up, strippedPod), ownService(strippedService)),
			plan{state: running, pod: repair, own: repair},
		},
		"also when it has finished": {
			newSandbox(withFinished(v1beta1.ReasonPodSucceeded)), see(newPod(never, inPhase(corev1.PodSucceeded), exited(0), strippedPod)),
			plan{state: finished, ending: succeeded, pod: repair},
		},
		"not without the anchor": {
			newSandbox(), see(newPod(up, unowned)),
			plan{state: conflict, detail: conflictDetail, requeueAfter: conflictRetry},
		},
		"not from another controller": {
			newSandbox(), see(newPod(up, theirController)),
			plan{state: conflict, detail: conflictDetail, requeueAfter: conflictRetry},
		},
		"not by another Sandbox of that name": {
			newSandbox(func(s *v1beta1.Sandbox) { s.UID = "uid-after" }), see(newPod(up, strippedPod)),
			plan{state: conflict, detail: conflictDetail, requeueAfter: conflictRetry},
		},
		"the Sandbox is suspended: its Pod ends as any": {
			newSandbox(withSuspend), see(newPod(up, strippedPod)),
			plan{state: suspending, pod: remove, why: whySuspended},
		},
		"expired: its deletion will find it": {
			newSandbox(withShutdown(-time.Second), withDeletePolicy), see(newPod(up, strippedPod), ownService(strippedService)),
			plan{state: expired, sandbox: remove},
		},
		"deleted: it goes like any": {
			newSandbox(withDeletion, withService, withDisks("data")), see(newPod(up, strippedPod), ownService(strippedService), newDisk("data")),
			plan{state: deleting, pod: remove, why: whyDeleted, own: remove},
		},
		"deleted and orphaned: it is the user's": {
			newSandbox(withDeletion, withOrphaned, withService, withDisks("data")), see(newPod(up, strippedPod), ownService(strippedService), newDisk("data")),
			plan{state: deleting, pod: retain, own: retain, disks: []diskAction{{0, retain}}, sandbox: release},
		},
		"what was left to the user before is not touched again": {
			newSandbox(withDeletion, withOrphaned), see(newPod(up, strippedPod, func(p *corev1.Pod) { p.Labels[v1beta1.SandboxUIDLabel] = v1beta1.RetainedUID })),
			plan{state: deleting, sandbox: release},
		},
	})
}

func TestDetachedChildrenAreTakenBack(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(withService), sharedService(), ownService(strippedService), newPod(up, strippedPod), newNode(corev1.ConditionTrue))

	h.mustSync()

	owners := []metav1.OwnerReference{render.Owners(newSandbox(), anchorUID)[1], render.Owners(newSandbox(), anchorUID)[0]}
	assert.Equal(t, []string{
		"patch services/dev " + patched(map[string]any{"uid": "uid-service", "resourceVersion": "60", "ownerReferences": owners}),
		"patch pods/dev " + patched(map[string]any{"uid": "uid-pod", "resourceVersion": "70", "ownerReferences": owners}),
	}, h.writes())
	assert.Equal(t, "True/DependenciesReady", h.conditions()["Ready"], "it served all the while")
	assert.Equal(t, []string{"Normal TakenBack", "Normal TakenBack"}, h.recorded())
}

// A label is all that makes a detached Pod ours: who takes it off in time keeps the Pod.
func TestDeletionOfADetachedPodNamesWhatWasSeen(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(withSuspend), sharedService(), newPod(up, strippedPod), newNode(corev1.ConditionTrue))
	h.mustSync()
	assert.Equal(t, []string{"delete pods/dev uid=uid-pod rv=70"}, h.writes())
}

func TestOrphanedChildrenAreLeftToTheUser(t *testing.T) {
	orphaning := newSandbox(withDeletion, withService, withDisks("data"), withFinalizers(v1beta1.SandboxFinalizer, metav1.FinalizerOrphanDependents))
	anchor := []metav1.OwnerReference{render.Owners(newSandbox(), anchorUID)[1]}
	for name, test := range map[string]struct {
		sandbox    *v1beta1.Sandbox
		pod        *corev1.Pod
		service    *corev1.Service
		owners     []metav1.OwnerReference
		finalizers []string
	}{
		"after the collector": {
			newSandbox(withDeletion, withOrphaned, withService, withDisks("data")), newPod(up, strippedPod), ownService(strippedService), nil, []string{},
		},
		"before the collector": {orphaning, newPod(up), ownService(), anchor, []string{metav1.FinalizerOrphanDependents}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, test.sandbox, sharedService(), test.service, test.pod, newDisk("data"), newNode(corev1.ConditionTrue))
			h.mustSync()
			retained := func(uid, rv string, owners []metav1.OwnerReference) string {
				metadata := map[string]any{"uid": uid, "resourceVersion": rv, "labels": map[string]any{v1beta1.SandboxUIDLabel: v1beta1.RetainedUID}}
				if owners != nil {
					metadata["ownerReferences"] = owners
				}
				return patched(metadata)
			}
			assert.Equal(t, []string{
				"patch services/dev " + retained("uid-service", "60", test.owners),
				"patch persistentvolumeclaims/data-dev " + retained("uid-data", "80", nil),
				"patch pods/dev " + retained("uid-pod", "70", test.owners),
				"patch sandboxes/dev " + patched(map[string]any{"uid": "uid-dev", "resourceVersion": "7", "finalizers": test.finalizers}),
			}, h.writes())
		})
	}
}
