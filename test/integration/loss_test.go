// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestLostPodsAreReplaced: same name, same disk, another Pod.
func TestLostPodsAreReplaced(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	for name, lose := range map[string]func(*harness.Space, string){
		"deleted": func(ns *harness.Space, pod string) {
			require.NoError(ns.T, ns.Pods().Delete(ns.T.Context(), pod, metav1.DeleteOptions{}))
		},
		"evicted": func(ns *harness.Space, pod string) {
			eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod}}
			require.NoError(ns.T, ns.Pods().EvictV1(ns.T.Context(), eviction))
		},
		"disrupted": func(ns *harness.Space, pod string) {
			ns.SetPodStatus(pod, corev1.PodStatus{Phase: corev1.PodFailed, Conditions: []corev1.PodCondition{
				{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "TerminationByKubelet", LastTransitionTime: metav1.Now()},
				{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now()},
			}})
		},
		"rejected": func(ns *harness.Space, pod string) {
			ns.SetPodStatus(pod, corev1.PodStatus{
				Phase: corev1.PodFailed, Reason: "OutOfcpu", Message: "Pod was rejected: Node didn't have enough resource: cpu",
				Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now()}},
			})
		},
		"node-shutdown": func(ns *harness.Space, pod string) {
			ns.SetPodStatus(pod, corev1.PodStatus{
				Phase: corev1.PodFailed, Reason: "Terminated", Message: "Pod was terminated in response to imminent node shutdown.",
				Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now()}},
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := ns.For(t)
			// Even one that runs once only: it has not ended by itself.
			ns.Create(harness.Sandbox(name, harness.RunningOnce, harness.WithDisk("data")))
			ns.WaitReady(name)
			old, disk := ns.Pod(name).UID, ns.Disk("data-"+name).UID
			lose(ns, name)
			ns.WaitReplaced(name, old)
			ns.WaitReady(name)
			assert.Equal(t, disk, ns.Disk("data-"+name).UID)
		})
	}
}

// TestReadyTellsOfALostPodAtOnce looks at every state a client can see on the way.
func TestReadyTellsOfALostPodAtOnce(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	before := ns.WaitReady("dev")
	watcher, err := ns.Sandboxes().Watch(t.Context(), metav1.ListOptions{ResourceVersion: before.ResourceVersion})
	require.NoError(t, err)
	defer watcher.Stop()
	require.NoError(t, ns.Pods().Delete(t.Context(), "dev", metav1.DeleteOptions{}))
	event := next(ns, watcher)
	require.Equal(t, watch.Modified, event.Type)
	assert.NoError(t, harness.HasConditions(event.Object.(*v1beta1.Sandbox), "Ready=False/DependenciesNotReady", "Suspended=False/NotSuspended"))
	ns.WaitReady("dev")
}

// TestNodeDeleted has a node of its own, so that no other test loses its Pods.
func TestNodeDeleted(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	createNode(ns, ns.Name)
	ns.Create(harness.Sandbox("dev", onlyOn(ns.Name), harness.WithDisk("data")))
	before := ns.WaitReady("dev")
	old := ns.Pod("dev").UID
	assert.Equal(t, ns.Name, before.Status.NodeName)

	require.NoError(t, ns.Kube.CoreV1().Nodes().Delete(t.Context(), ns.Name, metav1.DeleteOptions{}))
	ns.WaitConditions("dev", "Ready=False/DependenciesNotReady")
	ns.Eventually("the Pod of the lost node is replaced", func() error {
		pod, err := ns.Pods().Get(t.Context(), "dev", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if pod.UID == old || pod.Spec.NodeName != "" {
			return fmt.Errorf("Pod %s is on node %q", pod.UID, pod.Spec.NodeName)
		}
		return nil
	})
	ns.WaitConditions("dev", "Ready=False/DependenciesNotReady", "PodScheduled=False/Unschedulable")
	createNode(ns, ns.Name)
	ns.WaitReady("dev")
}

// TestNodeLostWhileSuspending: nobody is left to end the Pod, and it goes all the same.
func TestNodeLostWhileSuspending(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	createNode(ns, ns.Name)
	ns.Create(harness.Sandbox("dev", onlyOn(ns.Name)))
	ns.WaitReady("dev")
	require.NoError(t, ns.Kube.CoreV1().Nodes().Delete(t.Context(), ns.Name, metav1.DeleteOptions{}))
	_, err := ns.Sandboxes().Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	ns.WaitSuspended("dev")
}

func onlyOn(node string) func(*v1beta1.Sandbox) {
	return func(s *v1beta1.Sandbox) {
		s.Spec.PodTemplate.Spec.NodeSelector = map[string]string{corev1.LabelHostname: node}
		s.Spec.PodTemplate.Spec.Tolerations = []corev1.Toleration{{Key: "example.com/reserved", Operator: corev1.TolerationOpExists}}
	}
}

// createNode makes a simulated node for Pods that tolerate it, and waits until it is ready.
func createNode(ns *harness.Space, name string) {
	ns.T.Helper()
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("10"),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{corev1.LabelHostname: name, "type": "kwok"},
			Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
		},
		Spec:   corev1.NodeSpec{Taints: []corev1.Taint{{Key: "example.com/reserved", Effect: corev1.TaintEffectNoSchedule}}},
		Status: corev1.NodeStatus{Allocatable: room, Capacity: room},
	}
	nodes := ns.Kube.CoreV1().Nodes()
	_, err := nodes.Create(ns.T.Context(), node, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	ns.T.Cleanup(func() {
		_ = nodes.Delete(context.WithoutCancel(ns.T.Context()), name, metav1.DeleteOptions{}) // the test may have done so
	})
	ns.Eventually("node "+name+" is ready", func() error {
		node, err := nodes.Get(ns.T.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		})
		if !ready || len(node.Spec.Taints) > 1 {
			return fmt.Errorf("conditions %v, taints %v", node.Status.Conditions, node.Spec.Taints)
		}
		return nil
	})
}
