// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

const (
	killedSandboxes = 200
	killedTimes     = 10
	killedClients   = 10
)

// seed repeats a run as far as a killed process lets it: go test ./test/e2e -kill9.seed=N.
var seed = flag.Uint64("kill9.seed", 0, "seed of TestKill9; 0 chooses one")

// TestKill9 kills the server ten times while clients create, suspend and resume 200
// Sandboxes. What was acknowledged holds, and no Sandbox ever has two Pods.
func TestKill9(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("kill9.seed=%d", *seed)
	ns := env.Space(t)
	pods := observePods(ns)
	acting, stop := context.WithCancel(t.Context())
	clients := startClients(acting, ns)
	defer func() {
		stop()
		clients.finish()
	}()
	for round := range killedTimes {
		if round%2 == 0 { // every other kill meets controllers in the middle of their work
			pods.waitBusy(ns)
		}
		t.Logf("kill %d: %s, %s", round+1, clients, pods)
		killOnce(ns, rand.New(rand.NewPCG(*seed, uint64(round))))
	}
	stop()
	known := clients.finish()
	t.Logf("done: %s, %s", clients, pods)
	require.Len(t, known, killedSandboxes)
	for name, acknowledged := range known {
		if acknowledged.mode == v1beta1.SandboxSuspended {
			ns.WaitSuspended(name)
		} else {
			ns.WaitReady(name)
		}
	}
	ns.Always("each Sandbox has exactly the Pod that its mode asks for", 5*time.Second, func() error { return exactPods(ns, known) })
	assert.Empty(t, pods.finish(), "Sandboxes that had two Pods at a time")
}

// killOnce kills the server at a moment that is random, and starts it again.
func killOnce(ns *harness.Space, random *rand.Rand) {
	ns.T.Helper()
	pause(ns.T.Context(), time.Duration(random.Int64N(int64(2*time.Second))))
	require.NoError(ns.T, ns.Cluster.Server.Kill(ns.T.Context()))
	require.NoError(ns.T, ns.Cluster.Server.Start(ns.T.Context()))
}

// exactPods compares the Sandboxes and Pods of the namespace with what was acknowledged.
func exactPods(ns *harness.Space, known map[string]acknowledgement) error {
	sandboxes, err := ns.Sandboxes().List(ns.T.Context(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(sandboxes.Items) != len(known) {
		return fmt.Errorf("%d Sandboxes exist, %d were acknowledged", len(sandboxes.Items), len(known))
	}
	for _, sandbox := range sandboxes.Items {
		want := known[sandbox.Name]
		if sandbox.UID != want.uid || sandbox.Spec.OperatingMode != want.mode {
			return fmt.Errorf("Sandbox %s is %s and %s, acknowledged was %+v", sandbox.Name, sandbox.UID, sandbox.Spec.OperatingMode, want)
		}
	}
	pods, err := ns.Pods().List(ns.T.Context(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	running := 0
	for i := range pods.Items {
		pod := &pods.Items[i]
		owner, want := metav1.GetControllerOf(pod), known[pod.Name]
		if owner == nil || owner.UID != want.uid || want.mode != v1beta1.SandboxRunning || pod.DeletionTimestamp != nil {
			return fmt.Errorf("Pod %s, deleted %v, is owned by %+v, acknowledged was %+v", pod.Name, pod.DeletionTimestamp, owner, want)
		}
		running++
	}
	for _, want := range known {
		if want.mode == v1beta1.SandboxRunning {
			running--
		}
	}
	if running != 0 {
		return fmt.Errorf("%d Sandboxes should have a Pod and have none", -running)
	}
	return nil
}

// podObserver sees every Pod of Sandboxes come and go.
type podObserver struct {
	stop context.CancelFunc
	done chan struct{}

	mu sync.Mutex
	// pods that exist, by the UID of their Sandbox.
	pods map[string]map[types.UID]bool
	// made and gone count them; twice names the Sandboxes that had more than one.
	made, gone int
	twice      []string
}

// observePods watches kube-apiserver, which nobody kills, until finish.
func observePods(ns *harness.Space) *podObserver {
	ns.T.Helper()
	ctx, stop := context.WithCancel(ns.T.Context())
	// Longer than the test: a watch that ended early would have missed something.
	hour := int64(time.Hour.Seconds())
	watcher, err := ns.Pods().Watch(ctx, metav1.ListOptions{LabelSelector: v1beta1.SandboxUIDLabel, TimeoutSeconds: &hour})
	require.NoError(ns.T, err)
	observer := &podObserver{stop: stop, done: make(chan struct{}), pods: map[string]map[types.UID]bool{}}
	go func() {
		defer close(observer.done)
		for event := range watcher.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok {
				observer.see(pod, event.Type == "DELETED")
			}
		}
		if ctx.Err() == nil {
			ns.T.Error("the watch of Pods ended before the test did")
		}
	}()
	return observer
}

func (o *podObserver) see(pod *corev1.Pod, gone bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	sandbox := pod.Labels[v1beta1.SandboxUIDLabel]
	exist := o.pods[sandbox]
	if exist == nil {
		exist = map[types.UID]bool{}
		o.pods[sandbox] = exist
	}
	if gone {
		o.gone++
		delete(exist, pod.UID)
		return
	}
	if !exist[pod.UID] {
		o.made++
	}
	exist[pod.UID] = true
	if len(exist) > 1 {
		o.twice = append(o.twice, pod.Name)
	}
}

// String is for the log of the test.
func (o *podObserver) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return fmt.Sprintf("%d Pods made, %d gone", o.made, o.gone)
}

// waitBusy returns once a few Pods have come or gone from now on.
func (o *podObserver) waitBusy(ns *harness.Space) {
	ns.T.Helper()
	const few = 10
	changes := func() int {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.made + o.gone
	}
	begin := changes()
	ns.Eventually("the controllers are at work", func() error {
		if seen := changes() - begin; seen < few {
			return fmt.Errorf("%d Pods have come or gone", seen)
		}
		return nil
	})
}

// finish returns the names of Sandboxes that had two Pods.
func (o *podObserver) finish() []string {
	o.stop()
	<-o.done
	return o.twice
}
