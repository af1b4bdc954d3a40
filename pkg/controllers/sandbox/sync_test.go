// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

func TestEverythingIsMadeInOrderInOneSync(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(withService, withDisks("data")))

	assert.Zero(t, h.mustSync())

	assert.Equal(t, []string{
		"create services/sandboxes", "create services/dev", "create persistentvolumeclaims/data-dev", "create pods/dev",
	}, h.writes())
	assert.Equal(t, []string{"get sandboxes/dev"}, h.reads(), "the caches serve all but the last look at the Sandbox")
	pod := h.pod()
	assert.Equal(t, render.Owners(newSandbox(), "uid-new-sandboxes"), pod.OwnerReferences, "anchored to the Service made just now")
	assert.Equal(t, map[string]string{"Ready": "False/DependenciesNotReady", "Suspended": "False/NotSuspended"}, h.conditions())
	assert.Equal(t, "dev", h.stored().Status.PodName)
	assert.Equal(t, []string{"Normal SuccessfulCreate"}, h.recorded())
}

func TestNothingIsDoneTwice(t *testing.T) {
	h := newSyncedHarness(t, sharedService(), newPod(up), newNode(corev1.ConditionTrue))
	sandbox := newSandbox()
	sandbox.Status = observe(sandbox, see(newPod(up)))
	h.cache(sandbox)
	assert.Zero(t, h.mustSync())
	assert.Empty(t, h.kube.Actions())
	assert.Empty(t, h.own.Actions(), "no status is written that says the same")
}

func TestGoneSandboxIsNoBusiness(t *testing.T) {
	h := newHarness(t)
	assert.Zero(t, h.mustSync())
	assert.Empty(t, h.writes())
}

func TestSuspendAndResume(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(withSuspend, withDisks("data")), sharedService(), newPod(up), newDisk("data"), newNode(corev1.ConditionTrue))
	h.mustSync()
	assert.Equal(t, []string{"delete pods/dev uid=uid-pod"}, h.writes(), "disks and Services stay")
	assert.Equal(t, map[string]string{"Ready": "False/SandboxSuspended", "Suspended": "False/PodTerminating", "PodScheduled": "True/PodScheduled"}, h.conditions())

	suspended := h.stored()
	require.NoError(t, h.Pods.Informer().GetIndexer().Delete(newPod()))
	h.cache(suspended).mustSync()
	assert.Equal(t, map[string]string{"Ready": "False/SandboxSuspended", "Suspended": "True/PodTerminated"}, h.conditions())

	resumed := h.stored()
	resumed.Spec.OperatingMode = v1beta1.SandboxRunning
	_, err := h.own.SandboxV1beta1().Sandboxes("team").Update(t.Context(), resumed, metav1.UpdateOptions{})
	require.NoError(t, err)
	h.cache(resumed).mustSync()
	assert.Equal(t, map[string]string{"Ready": "False/DependenciesNotReady", "Suspended": "False/NotSuspended"}, h.conditions())
	assert.NotNil(t, h.pod())
	assert.Equal(t, []string{"Normal SuccessfulDelete", "Normal Suspended", "Normal SuccessfulCreate", "Normal Resumed"}, h.recorded())
}

func TestFinishedStaysFinished(t *testing.T) {
	ended := newPod(never, inPhase(corev1.PodFailed), exited(3))
	h := newSyncedHarness(t, newSandbox(), sharedService(), ended, newNode(corev1.ConditionTrue))
	h.mustSync()
	assert.Equal(t, map[string]string{"Ready": "False/PodFailed", "Finished": "True/PodFailed"}, h.conditions())
	assert.Empty(t, h.writes(), "the Pod stays for its logs")

	require.NoError(t, h.Pods.Informer().GetIndexer().Delete(ended))
	require.NoError(t, h.kube.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "team", "dev"))
	h.cache(h.stored()).mustSync()
	assert.Equal(t, map[string]string{"Ready": "False/PodFailed", "Finished": "True/PodFailed"}, h.conditions())
	assert.Empty(t, h.writes(), "status is the memory")
	assert.Equal(t, []string{"Warning Finished"}, h.recorded())
}

func TestExpiry(t *testing.T) {
	t.Run("Retain", func(t *testing.T) {
		h := newSyncedHarness(t, newSandbox(withShutdown(0), withService, withDisks("data")),
			sharedService(), ownService(), newPod(up), newDisk("data"), newNode(corev1.ConditionTrue))
		h.mustSync()
		assert.Equal(t, []string{"delete services/dev uid=uid-service", "delete pods/dev uid=uid-pod"}, h.writes())
		assert.Equal(t, "False/SandboxExpired", h.conditions()["Ready"])
		assert.Equal(t, []string{"Normal SuccessfulDelete", "Normal Expired"}, h.recorded())
	})
	t.Run("Delete", func(t *testing.T) {
		h := newSyncedHarness(t, newSandbox(withShutdown(0), withDeletePolicy), sharedService(), newPod(up), newNode(corev1.ConditionTrue))
		h.mustSync()
		assert.Equal(t, []string{"delete sandboxes/dev uid=uid-dev rv=7"}, h.writes())
		assert.Equal(t, []string{"Normal Expired"}, h.recorded())
	})
	t.Run("extended a moment ago", func(t *testing.T) {
		h := newHarness(t, sharedService(), newPod(up), newNode(corev1.ConditionTrue))
		h.cache(newSandbox(withShutdown(0)), sharedService(), newPod(up), newNode(corev1.ConditionTrue))
		h.store(newSandbox(withShutdown(time.Hour), func(s *v1beta1.Sandbox) { s.ResourceVersion = "8" }))
		assert.Equal(t, time.Hour, h.mustSync())
		assert.Empty(t, h.writes(), "the cache was behind")
		assert.Equal(t, "True/DependenciesReady", h.conditions()["Ready"])
	})
}

func TestDeletion(t *testing.T) {
	t.Run("Pod and Service first", func(t *testing.T) {
		h := newSyncedHarness(t, newSandbox(withDeletion, withService, withDisks("data")),
			sharedService(), ownService(), newPod(up), newDisk("data"), newNode(corev1.ConditionTrue))
		h.mustSync()
		assert.Equal(t, []string{"delete services/dev uid=uid-service", "delete pods/dev uid=uid-pod"}, h.writes())
		assert.Equal(t, "False/DependenciesNotReady", h.conditions()["Ready"], "it does not serve any more")
	})
	t.Run("then disks and the finalizer", func(t *testing.T) {
		h := newSyncedHarness(t, newSandbox(withDeletion, withDisks("data"), withFinalizers("a/b", v1beta1.SandboxFinalizer)), sharedService(), newDisk("data"))
		h.mustSync()
		assert.Equal(t, []string{
			"delete persistentvolumeclaims/data-dev uid=uid-data rv=80",
			"patch sandboxes/dev " + patched(map[string]any{"finalizers": []string{"a/b"}, "uid": "uid-dev", "resourceVersion": "7"}),
		}, h.writes())
	})
	t.Run("retained disks change their label", func(t *testing.T) {
		h := newSyncedHarness(t, newSandbox(withDeletion, withRetain, withDisks("data")), sharedService(), newDisk("data"))
		h.mustSync()
		assert.Equal(t, []string{
			"patch persistentvolumeclaims/data-dev " + patched(map[string]any{
				"labels": map[string]any{v1beta1.SandboxUIDLabel: "retained"}, "uid": "uid-data", "resourceVersion": "80",
			}),
			"patch sandboxes/dev " + patched(map[string]any{"finalizers": []string{}, "uid": "uid-dev", "resourceVersion": "7"}),
		}, h.writes())
	})
	t.Run("and are taken back by a later Sandbox of that name", func(t *testing.T) {
		h := newSyncedHarness(t, newSandbox(withDisks("data")), sharedService(), newDisk("data", diskOf(v1beta1.RetainedUID)))
		h.mustSync()
		assert.Equal(t, []string{
			"patch persistentvolumeclaims/data-dev " + patched(map[string]any{
				"labels": map[string]any{v1beta1.SandboxUIDLabel: "uid-dev"}, "uid": "uid-data", "resourceVersion": "80",
			}),
			"create pods/dev",
		}, h.writes())
	})
}

func TestLostPodIsReplaced(t *testing.T) {
	for name, pod := range map[string]*corev1.Pod{
		"evicted":            newPod(inPhase(corev1.PodFailed), because("Evicted")),
		"refused, long ago":  newPod(inPhase(corev1.PodFailed), because("OutOfcpu")),
		"restartable failed": newPod(inPhase(corev1.PodFailed), exited(1)),
	} {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, newSandbox(), sharedService(), pod, newNode(corev1.ConditionTrue))
			h.mustSync()
			assert.Equal(t, []string{"delete pods/dev uid=uid-pod"}, h.writes())
			assert.Equal(t, map[string]string{"Ready": "False/DependenciesNotReady", "Suspended": "False/NotSuspended"}, h.conditions())

			require.NoError(t, h.Pods.Informer().GetIndexer().Delete(pod))
			h.cache(h.stored()).mustSync()
			assert.Equal(t, []string{"delete pods/dev uid=uid-pod", "create pods/dev"}, h.writes())
		})
	}
	t.Run("refused just now", func(t *testing.T) {
		h := newSyncedHarness(t, newSandbox(), sharedService(), newPod(young, inPhase(corev1.PodFailed), because("OutOfcpu")), newNode(corev1.ConditionTrue))
		assert.Equal(t, 7*time.Second, h.mustSync())
		assert.Empty(t, h.writes())
	})
}

func TestLabelsAndAnchorFollow(t *testing.T) {
	claimed, errs := render.Claimed(newSandbox(), &v1beta1.SandboxClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "mine", UID: "uid-mine"},
		Spec: v1beta1.SandboxClaimSpec{AdditionalPodMetadata: v1beta1.PodMetadata{
			Labels: map[string]string{"user": "ada"}, Annotations: map[string]string{"note": "x"},
		}},
	})
	require.Empty(t, errs)
	anchor := sharedService(func(s *corev1.Service) { s.UID = "uid-later" })
	h := newSyncedHarness(t, claimed, anchor, newPod(up), newNode(corev1.ConditionTrue))
	h.mustSync()
	require.Len(t, h.writes(), 1, "one patch for all")
	assert.Empty(t, h.reads(), "every warm claim causes it, and a later look would put it right")
	pod := h.pod()
	assert.Equal(t, "mine", pod.Labels[v1beta1.ClaimLabel])
	assert.Equal(t, "ada", pod.Labels["user"])
	assert.Equal(t, map[string]string{"note": "x"}, pod.Annotations)
	assert.Equal(t, render.Owners(claimed, "uid-later"), pod.OwnerReferences)
	assert.Equal(t, "True/DependenciesReady", h.conditions()["Ready"])
}

func TestServicesAreRepaired(t *testing.T) {
	stripped := sharedService(func(s *corev1.Service) { s.Labels = map[string]string{v1beta1.SharedServiceLabel: "true"} })
	turned := ownService(func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "theirs"} })
	h := newSyncedHarness(t, newSandbox(withService), stripped, turned, newPod(up), newNode(corev1.ConditionTrue))
	h.mustSync()
	services := h.kube.CoreV1().Services("team")
	shared, err := services.Get(t.Context(), "sandboxes", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, render.SharedService("team").Labels, shared.Labels)
	own, err := services.Get(t.Context(), "dev", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, render.Service(newSandbox(), "").Spec.Selector, own.Spec.Selector)
	for _, write := range h.writes() {
		assert.Contains(t, write, `"resourceVersion":`)
		assert.Contains(t, write, `"uid":`)
	}
}

func TestNodeLoss(t *testing.T) {
	t.Run("not ready: the truth at once, the Pod is left to taint eviction", func(t *testing.T) {
		h := newSyncedHarness(t, newSandbox(), sharedService(), newPod(up), newNode(corev1.ConditionUnknown))
		h.mustSync()
		assert.Empty(t, h.writes())
		ready := meta.FindStatusCondition(h.stored().Status.Conditions, v1beta1.ConditionReady)
		assert.Equal(t, metav1.ConditionFalse, ready.Status)
		assert.Equal(t, `node "node-1" is not ready`, ready.Message)
	})
	t.Run("gone: killed, then made anew", func(t *testing.T) {
		h := newSyncedHarness(t, newSandbox(), sharedService(), newPod(up))
		h.mustSync()
		assert.Equal(t, []string{"delete pods/dev uid=uid-pod grace=0"}, h.writes())
		assert.Contains(t, h.reads(), "get nodes/node-1")
		require.NoError(t, h.Pods.Informer().GetIndexer().Delete(newPod()))
		h.cache(h.stored()).mustSync()
		assert.Equal(t, types.UID("uid-new-dev"), h.pod().UID)
	})
	t.Run("gone from the cache only", func(t *testing.T) {
		h := newHarness(t, newSandbox(), sharedService(), newPod(up), newNode(corev1.ConditionTrue))
		h.cache(newSandbox(), sharedService(), newPod(up)).mustSync()
		assert.Empty(t, h.writes())
		assert.Equal(t, "True/DependenciesReady", h.conditions()["Ready"])
	})
}
