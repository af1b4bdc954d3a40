// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// term runs the controller until the returned function has ended it.
func (h *harness) term() (end func()) {
	ctx, cancel := context.WithCancel(h.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Controller.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (h *harness) eventually(what string, condition func() bool) {
	h.Helper()
	require.Eventually(h, condition, 10*time.Second, 5*time.Millisecond, what)
}

// create makes a Sandbox as a client does.
func (h *harness) create(sandbox *v1beta1.Sandbox) {
	h.Helper()
	_, err := h.own.SandboxV1beta1().Sandboxes("team").Create(h.Context(), sandbox, metav1.CreateOptions{})
	require.NoError(h, err)
}

func (h *harness) hasPod() bool { return h.pod() != nil }

func (h *harness) ready() string { return h.conditions()["Ready"] }

// bringUp does what scheduler and kubelet do.
func (h *harness) bringUp() {
	h.Helper()
	pod := h.pod()
	pod.Spec.NodeName = "node-1"
	up(pod)
	_, err := h.kube.CoreV1().Pods("team").Update(h.Context(), pod, metav1.UpdateOptions{})
	require.NoError(h, err)
	h.eventually("up", func() bool { return h.ready() == "True/DependenciesReady" })
}

func TestOneControllerServesSeveralTerms(t *testing.T) {
	h := newHarness(t, newNode(corev1.ConditionTrue))
	h.start(t.Context())

	end := h.term()
	h.create(newSandbox())
	h.eventually("a Pod", h.hasPod)
	end()

	require.NoError(t, h.kube.CoreV1().Pods("team").Delete(t.Context(), "dev", metav1.DeleteOptions{}))
	assert.Nil(t, h.pod(), "nobody works between terms")

	defer h.term()()
	h.eventually("a Pod, though its deletion was nobody's event", h.hasPod)
}

func TestWhatHappensToChildrenIsNoticed(t *testing.T) {
	h := newHarness(t, newNode(corev1.ConditionTrue))
	h.start(t.Context())
	defer h.term()()
	h.create(newSandbox(withService, withDisks("data")))
	h.eventually("a Pod", h.hasPod)
	h.bringUp()
	core := h.kube.CoreV1()

	t.Run("the node", func(*testing.T) {
		node := newNode(corev1.ConditionUnknown)
		_, err := core.Nodes().Update(h.Context(), node, metav1.UpdateOptions{})
		require.NoError(t, err)
		h.eventually("not ready", func() bool { return h.ready() == "False/DependenciesNotReady" })
		_, err = core.Nodes().Update(h.Context(), newNode(corev1.ConditionTrue), metav1.UpdateOptions{})
		require.NoError(t, err)
		h.eventually("ready", func() bool { return h.ready() == "True/DependenciesReady" })
	})
	t.Run("the own Service", func(*testing.T) {
		require.NoError(t, core.Services("team").Delete(h.Context(), "dev", metav1.DeleteOptions{}))
		h.eventually("a Service", func() bool {
			_, err := core.Services("team").Get(h.Context(), "dev", metav1.GetOptions{})
			return err == nil
		})
	})
	t.Run("the disk", func(*testing.T) {
		require.NoError(t, core.PersistentVolumeClaims("team").Delete(h.Context(), "data-dev", metav1.DeleteOptions{}))
		h.eventually("a disk", func() bool {
			_, err := core.PersistentVolumeClaims("team").Get(h.Context(), "data-dev", metav1.GetOptions{})
			return err == nil
		})
	})
	t.Run("the shared Service, which concerns all of the namespace", func(*testing.T) {
		_, err := core.Services("team").Update(h.Context(), sharedService(), metav1.UpdateOptions{})
		require.NoError(t, err, "as if it had been deleted and made anew")
		h.eventually("anchored", func() bool { return h.pod().OwnerReferences[1].UID == anchorUID })
	})
	t.Run("the node, gone", func(*testing.T) {
		require.NoError(t, core.Nodes().Delete(h.Context(), "node-1", metav1.DeleteOptions{}))
		h.eventually("a new Pod", func() bool { return h.hasPod() && h.pod().Spec.NodeName == "" })
	})
	t.Run("the Pod", func(*testing.T) {
		require.NoError(t, core.Pods("team").Delete(h.Context(), "dev", metav1.DeleteOptions{}))
		h.eventually("a new Pod", h.hasPod)
	})
}

// The cache may learn of a node later than of the Pod that is bound to it.
func TestLateNodeIsNoticed(t *testing.T) {
	h := newHarness(t, newSandbox(), sharedService(), newPod(up))
	h.kube.PrependReactor("get", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, newNode(corev1.ConditionUnknown), nil
	})
	h.start(t.Context())
	defer h.term()()
	h.eventually("not ready", func() bool { return h.ready() == "False/DependenciesNotReady" })
	h.store(newNode(corev1.ConditionTrue))
	h.eventually("ready", func() bool { return h.ready() == "True/DependenciesReady" })
}

func TestTombstonesCount(t *testing.T) {
	var got []types.NamespacedName
	handler := each(func(obj metav1.Object) {
		got = append(got, types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()})
	})
	handler.OnAdd(newPod(), false)
	handler.OnUpdate(nil, newPod())
	handler.OnDelete(newPod())
	handler.OnDelete(cache.DeletedFinalStateUnknown{Key: "team/dev", Obj: newPod()})
	handler.OnDelete(cache.DeletedFinalStateUnknown{Key: "team/dev"})
	assert.Len(t, got, 4)
}

func TestStripNode(t *testing.T) {
	node := newNode(corev1.ConditionTrue)
	node.Labels = map[string]string{"zone": "a"}
	node.Status.Images = []corev1.ContainerImage{{Names: []string{"large"}}}
	node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: corev1.NodeDiskPressure})

	stripped, err := StripNode(node)
	require.NoError(t, err)
	assert.Equal(t, newNode(corev1.ConditionTrue), stripped)
	assert.True(t, nodeReady(stripped.(*corev1.Node)))

	tombstone := cache.DeletedFinalStateUnknown{Key: "node-1"}
	same, err := StripNode(tombstone)
	require.NoError(t, err)
	assert.Equal(t, tombstone, same)
}
