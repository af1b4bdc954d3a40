// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/node"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestKubeletRestart: containers do not notice, and what was asked for meanwhile is done.
func TestKubeletRestart(t *testing.T) {
	ns := story(t)
	start(ns, agent("dev", harness.WithDisk("data")))
	start(ns, agent("other", harness.WithDisk("data")))
	for _, name := range []string{"dev", "other"} {
		put(ns, name, workFile, "before the restart")
	}
	want, other, pod := identify(ns, "dev"), identify(ns, "other"), ns.Pod("dev").UID

	killKubelet(t)
	assert.Equal(t, want, identify(ns, "dev"), "the container is there without a kubelet")
	_, err := ns.Sandboxes().Suspend(t.Context(), "other", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, env.Cluster.Node.StartKubelet())

	ns.WaitSuspended("other")
	ns.WaitGone("Pod other", ns.GetPod("other"))
	resume(ns, "other")
	ns.WaitReady("dev")
	assert.Equal(t, want, identify(ns, "dev"))
	assert.Equal(t, other, identify(ns, "other"))
	assert.Equal(t, pod, ns.Pod("dev").UID)
}

// TestNodeLoss: the Sandbox says that its node is gone, and has one Pod again when a node returns.
func TestNodeLoss(t *testing.T) {
	ns := story(t)
	start(ns, agent("dev", harness.WithDisk("data")))
	put(ns, "dev", workFile, "before the loss")
	want, pod := identify(ns, "dev"), ns.Pod("dev").UID
	observed := observePods(ns)

	killKubelet(t)
	require.NoError(t, ns.Kube.CoreV1().Nodes().Delete(t.Context(), node.Name, metav1.DeleteOptions{}))
	lost := ns.WaitFor("dev", "it is not Ready", func(s *v1beta1.Sandbox) error {
		if meta.IsStatusConditionFalse(s.Status.Conditions, v1beta1.ConditionReady) {
			return nil
		}
		return fmt.Errorf("its conditions are %+v", s.Status.Conditions)
	})
	ready := meta.FindStatusCondition(lost.Status.Conditions, v1beta1.ConditionReady)
	t.Logf("without its node: %s: %s", ready.Reason, ready.Message)
	ns.Eventually("the lost Pod is replaced", func() error {
		replaced, err := ns.Pods().Get(t.Context(), "dev", metav1.GetOptions{})
		if err == nil && replaced.UID == pod {
			err = errors.New("it is still there")
		}
		return err
	})

	require.NoError(t, env.Cluster.Node.StartKubelet())
	ns.Eventually("the node is back", func() error {
		_, err := ns.Kube.CoreV1().Nodes().Get(t.Context(), node.Name, metav1.GetOptions{})
		return err
	})
	ns.WaitReady("dev")
	waitAnswer(ns, "dev", "/hostname", "dev")
	assert.Equal(t, want, identify(ns, "dev"))
	assert.Equal(t, 1, observed.finish(), "the most Pods at a time")
	_, err := call(ns, "dev", http.MethodGet, "/environment", "")
	require.NoError(t, err)
}

// killKubelet leaves one to the stories that follow, whatever becomes of this one.
func killKubelet(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { assert.NoError(t, env.Cluster.Node.StartKubelet()) })
	require.NoError(t, env.Cluster.Node.KillKubelet(t.Context()))
}

// podCounter counts the Pods of a namespace that are there at a time.
type podCounter struct {
	stop context.CancelFunc
	done chan int
}

func observePods(ns *harness.Space) *podCounter {
	ns.T.Helper()
	list, err := ns.Pods().List(ns.T.Context(), metav1.ListOptions{})
	require.NoError(ns.T, err)
	ctx, stop := context.WithCancel(ns.T.Context())
	watcher, err := ns.Pods().Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	require.NoError(ns.T, err)
	there := map[string]bool{}
	for i := range list.Items {
		there[string(list.Items[i].UID)] = true
	}
	counter := &podCounter{stop: stop, done: make(chan int, 1)}
	go func() {
		most := len(there)
		for event := range watcher.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			switch {
			case !ok:
			case event.Type == "DELETED":
				delete(there, string(pod.UID))
			default:
				there[string(pod.UID)] = true
			}
			most = max(most, len(there))
		}
		counter.done <- most
	}()
	return counter
}

func (c *podCounter) finish() int {
	c.stop()
	return <-c.done
}
