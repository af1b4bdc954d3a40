// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

var pods = schema.GroupResource{Resource: "pods"}

// What a foreign object looks like: no cache has it, the API server refuses the name.
func TestForeignObjects(t *testing.T) {
	tests := map[string]struct {
		sandbox *v1beta1.Sandbox
		foreign runtime.Object
		made    []string
	}{
		"Pod":            {newSandbox(), newPod(stranger, up), []string{"create pods/dev"}},
		"disk":           {newSandbox(withDisks("data")), newDisk("data", strangeDisk), []string{"create persistentvolumeclaims/data-dev"}},
		"own Service":    {newSandbox(withService), ownService(strangeService), []string{"create services/dev"}},
		"shared Service": {newSandbox(), sharedService(strangeService), []string{"create services/sandboxes"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, test.sandbox, test.foreign, newNode(corev1.ConditionTrue)).cache(test.sandbox, newNode(corev1.ConditionTrue))
			if name != "shared Service" {
				h.store(sharedService())
				h.cache(sharedService())
			}

			assert.Equal(t, conflictRetry, h.mustSync())
			assert.Equal(t, test.made, h.writes(), "tried, refused, and nothing else")
			assert.Equal(t, map[string]string{"Ready": "False/NameConflict", "Suspended": "False/PodNotOwned"}, h.conditions())
			assert.Equal(t, []string{"Warning NameConflict"}, h.recorded())

			h.cache(h.stored())
			h.kube.ClearActions()
			assert.Equal(t, conflictRetry, h.mustSync())
			assert.Empty(t, h.writes(), "the second time it looks before it tries")
			assert.Empty(t, h.recorded())
		})
	}
}

func TestForeignObjectThatGoesAway(t *testing.T) {
	sandbox := newSandbox(withCondition(v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonNameConflict))
	h := newSyncedHarness(t, sandbox, sharedService())
	h.mustSync()
	assert.Equal(t, []string{"create pods/dev"}, h.writes())
	assert.Equal(t, "False/DependenciesNotReady", h.conditions()["Ready"])
}

// A Pod of ours that the cache has not seen yet is found by its name, not made twice.
func TestOwnPodUnknownToTheCache(t *testing.T) {
	h := newHarness(t, newSandbox(), sharedService(), newPod(up), newNode(corev1.ConditionTrue)).cache(newSandbox(), sharedService())
	assert.Zero(t, h.mustSync())
	assert.Equal(t, []string{"create pods/dev"}, h.writes())
	assert.Equal(t, "True/DependenciesReady", h.conditions()["Ready"])
	assert.Empty(t, h.recorded(), "that is no failure")
}

// Workers of one namespace meet at its shared Service.
func TestSharedServiceMadeBySomebodyElse(t *testing.T) {
	h := newHarness(t, newSandbox(), sharedService()).cache(newSandbox())
	h.mustSync()
	assert.Equal(t, []string{"create services/sandboxes", "create pods/dev"}, h.writes())
	assert.Equal(t, anchorUID, h.pod().OwnerReferences[1].UID)
}

func TestSuspendedIsSaidOnlyAfterALiveLook(t *testing.T) {
	h := newHarness(t, newSandbox(withSuspend), sharedService(), newPod(up), newNode(corev1.ConditionTrue)).
		cache(newSandbox(withSuspend), sharedService())
	h.mustSync()
	assert.Equal(t, []string{"delete pods/dev uid=uid-pod"}, h.writes(), "the cache did not know of the Pod")
	assert.Equal(t, "False/PodTerminating", h.conditions()["Suspended"])
}

func TestFinalizerIsRemovedOnlyAfterALiveLook(t *testing.T) {
	h := newHarness(t, newSandbox(withDeletion, withDisks("data")), sharedService(), newPod(up), newDisk("data"), newNode(corev1.ConditionTrue)).
		cache(newSandbox(withDeletion, withDisks("data")), sharedService(), newDisk("data"))
	h.mustSync()
	assert.Equal(t, []string{"delete pods/dev uid=uid-pod"}, h.writes(), "neither disk nor finalizer while there is a Pod")
}

// What lost its reference may have lost its Sandbox: it is taken back only after a live look.
func TestADetachedPodIsNotTakenBackFromAStaleCache(t *testing.T) {
	h := newHarness(t, sharedService(), newPod(up, strippedPod), newNode(corev1.ConditionTrue)).
		cache(newSandbox(), sharedService(), newPod(up, strippedPod), newNode(corev1.ConditionTrue))
	h.mustSync()
	assert.Equal(t, []string{"get sandboxes/dev"}, h.reads())
	assert.Empty(t, h.writes())
}

// Caches may see a Pod with its owner, and a Sandbox that is deleted, long after both were orphaned.
func TestOrphanedButNotYetSeenAsSuch(t *testing.T) {
	live := newSandbox(withDeletion, withOrphaned, withDisks("data"), func(s *v1beta1.Sandbox) { s.ResourceVersion = "8" })
	for name, cached := range map[string]*v1beta1.Sandbox{
		"neither":             newSandbox(withDeletion, withDisks("data")),
		"not even deleted":    newSandbox(withSuspend, withDisks("data")),
		"the Pod alone":       live,
		"not yet the outcome": newSandbox(withDeletion, withDisks("data"), withFinalizers(v1beta1.SandboxFinalizer, metav1.FinalizerOrphanDependents)),
	} {
		t.Run(name, func(t *testing.T) {
			detached := newPod(up, strippedPod, func(p *corev1.Pod) { p.ResourceVersion = "71" })
			h := newHarness(t, live, sharedService(), detached, newDisk("data"), newNode(corev1.ConditionTrue)).
				cache(cached, sharedService(), newPod(up), newDisk("data"), newNode(corev1.ConditionTrue))
			h.mustSync()
			label := map[string]any{v1beta1.SandboxUIDLabel: v1beta1.RetainedUID}
			assert.Equal(t, []string{
				"patch persistentvolumeclaims/data-dev " + patched(map[string]any{"uid": "uid-data", "resourceVersion": "80", "labels": label}),
				"patch pods/dev " + patched(map[string]any{"uid": "uid-pod", "resourceVersion": "71", "labels": label}),
				"patch sandboxes/dev " + patched(map[string]any{"uid": "uid-dev", "resourceVersion": "8", "finalizers": []string{}}),
			}, h.writes())
		})
	}
}

// A leader that has just begun may know less than the last one did.
func TestTheLiveSandboxDecides(t *testing.T) {
	tests := map[string]struct {
		live *v1beta1.Sandbox
		want []string
	}{
		"gone":                 {nil, nil},
		"another of that name": {newSandbox(func(s *v1beta1.Sandbox) { s.UID = "uid-after" }), nil},
		"suspended":            {newSandbox(withSuspend), nil},
		"finished":             {newSandbox(withFinished(v1beta1.ReasonPodSucceeded)), nil},
		"expired":              {newSandbox(withShutdown(0)), nil},
		"as it was":            {newSandbox(), []string{"create pods/dev"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, sharedService()).cache(newSandbox())
			if test.live != nil {
				test.live.ResourceVersion = "8"
				h.store(test.live)
			}
			h.mustSync()
			assert.Equal(t, test.want, h.writes())
		})
	}
}

func TestRefusedCreate(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(), sharedService())
	h.refuse("create", "pods", apierrors.NewForbidden(pods, "dev", errors.New("exceeded quota: small")))

	_, err := h.sync(t.Context(), dev)

	require.Error(t, err, "tried again with back-off")
	assert.Equal(t, map[string]string{"Ready": "False/ReconcilerError", "Suspended": "False/NotSuspended"}, h.conditions())
	message := meta.FindStatusCondition(h.stored().Status.Conditions, v1beta1.ConditionReady).Message
	assert.Equal(t, `creating Pod "dev": pods "dev" is forbidden: exceeded quota: small`, message)
	assert.Equal(t, []string{"Warning FailedCreate"}, h.recorded())
}

func TestRefusedOwnService(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(withService), sharedService(), newPod(up), newNode(corev1.ConditionTrue))
	h.refuse("create", "services", apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "dev", errors.New("no")))
	_, err := h.sync(t.Context(), dev)
	require.Error(t, err)
	assert.Equal(t, "False/ReconcilerError", h.conditions()["Ready"])
}

func TestTerminatingNamespaceIsHarmless(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(), sharedService())
	refused := apierrors.NewForbidden(pods, "dev", errors.New("namespace team is being terminated"))
	refused.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	h.refuse("create", "pods", refused)

	assert.Zero(t, h.mustSync())
	assert.Equal(t, "False/DependenciesNotReady", h.conditions()["Ready"])
	assert.Empty(t, h.recorded())
}

func TestUnreadablePod(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(withSuspend), sharedService())
	h.refuse("get", "pods", apierrors.NewInternalError(errors.New("etcd is away")))
	_, err := h.sync(t.Context(), dev)
	require.Error(t, err)
	assert.Equal(t, map[string]string{"Ready": "False/ReconcilerError", "Suspended": "Unknown/PodStateUnknown"}, h.conditions())
	assert.Empty(t, h.writes())
}

// The worker tries a conflict again without complaint; nothing is said in status.
func TestConflictIsQuiet(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(withSuspend), sharedService(), newPod(up), newNode(corev1.ConditionTrue))
	h.refuse("delete", "pods", apierrors.NewConflict(pods, "dev", errors.New("the UID in the precondition")))
	_, err := h.sync(t.Context(), dev)
	assert.True(t, apierrors.IsConflict(err))
	assert.Empty(t, h.conditions())
	assert.Empty(t, h.recorded())
}

func TestStatusConflictIsQuiet(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(), sharedService(), newPod(up), newNode(corev1.ConditionTrue))
	h.own.PrependReactor("update", "sandboxes", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "sandboxes"}, "dev", errors.New("changed"))
	})
	_, err := h.sync(t.Context(), dev)
	assert.True(t, apierrors.IsConflict(err))
	assert.Empty(t, h.recorded(), "no Event of what was not stored")
}

func TestLostRaceIsTriedAgain(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(), sharedService())
	h.refuse("create", "pods", apierrors.NewAlreadyExists(pods, "dev"))
	assert.Equal(t, lostRaceRetry, h.mustSync(), "made and deleted between two looks")
	assert.Empty(t, h.conditions())
}

func TestWhatIsGoneNeedsNoDeleting(t *testing.T) {
	h := newHarness(t, newSandbox(withSuspend), sharedService()).
		cache(newSandbox(withSuspend), sharedService(), newPod(up), newNode(corev1.ConditionTrue))
	assert.Zero(t, h.mustSync())
	assert.Equal(t, []string{"delete pods/dev uid=uid-pod"}, h.writes())
	assert.Equal(t, "False/PodTerminating", h.conditions()["Suspended"], "the cache will tell")
	assert.Empty(t, h.recorded())
}

// A disk that cannot be taken back keeps the Pod from being made.
func TestPodIsNotMadeWithoutItsDisk(t *testing.T) {
	disk := newDisk("data", diskOf(v1beta1.RetainedUID))
	h := newHarness(t, newSandbox(withDisks("data")), sharedService()).cache(newSandbox(withDisks("data")), sharedService(), disk)
	_, err := h.sync(t.Context(), dev)
	require.Error(t, err)
	assert.Nil(t, h.pod())
}

func TestEndOfTermSaysNothing(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(), sharedService())
	ctx, cancel := context.WithCancel(t.Context())
	h.kube.PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		cancel()
		return true, nil, ctx.Err()
	})
	_, err := h.sync(ctx, dev)
	require.Error(t, err)
	assert.Empty(t, h.conditions())
}
