// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

func TestPoolFollowsItsScale(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	newPool(ns, 1)
	for _, replicas := range []int32{3, 0, 2} {
		assert.Contains(t, ns.MustKubectl("", "scale", "swp/python", fmt.Sprintf("--replicas=%d", replicas)), "scaled")
		waitFull(ns, replicas)
		ns.Eventually(fmt.Sprintf("there are %d Pods", replicas), func() error {
			pods, err := ns.Pods().List(t.Context(), metav1.ListOptions{})
			if err == nil && len(pods.Items) != int(replicas) {
				err = fmt.Errorf("there are %d", len(pods.Items))
			}
			return err
		})
	}
}

// TestAutoscalerMovesThePool: no metrics are served here, so the autoscaler moves the
// pool to its own bounds, and says that metrics are all it lacks.
func TestAutoscalerMovesThePool(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	newPool(ns, 1)
	assert.Contains(t, ns.MustKubectl("", "autoscale", "swp/python", "--min=2", "--max=3"), "autoscaled")
	waitFull(ns, 2)
	autoscalers := ns.Kube.AutoscalingV2().HorizontalPodAutoscalers(ns.Name)
	ns.Eventually("the autoscaler reads the scale and the selector", func() error {
		autoscaler, err := autoscalers.Get(t.Context(), "python", metav1.GetOptions{})
		if err != nil {
			return err
		}
		reasons := map[autoscalingv2.HorizontalPodAutoscalerConditionType]string{}
		for _, c := range autoscaler.Status.Conditions {
			reasons[c.Type] = string(c.Status) + "/" + c.Reason
		}
		// With a selector that is missing or wrong it would say InvalidSelector.
		if reasons[autoscalingv2.AbleToScale] != "True/SucceededGetScale" || reasons[autoscalingv2.ScalingActive] != "False/FailedGetResourceMetric" ||
			autoscaler.Status.CurrentReplicas != 2 {
			return fmt.Errorf("%v, %d replicas", reasons, autoscaler.Status.CurrentReplicas)
		}
		return nil
	})
	_, err := autoscalers.Patch(t.Context(), "python", types.MergePatchType, []byte(`{"spec":{"minReplicas":1,"maxReplicas":1}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	waitFull(ns, 1)
}

// updatedPool makes a pool like newPool, with an update strategy as JSON.
func updatedPool(ns *harness.Space, replicas int32, strategy string) {
	ns.T.Helper()
	newPool(ns, 0)
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d,"updateStrategy":%s}}`, replicas, strategy)
	_, err := ns.Pools().Patch(ns.T.Context(), "python", types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(ns.T, err)
	waitFull(ns, replicas)
}

func changeTemplate(ns *harness.Space, image string) {
	ns.T.Helper()
	_, err := ns.Templates().Patch(ns.T.Context(), "python", types.StrategicMergePatchType,
		fmt.Appendf(nil, `{"spec":{"podTemplate":{"spec":{"containers":[{"name":"main","image":%q}]}}}}`, image), metav1.PatchOptions{})
	require.NoError(ns.T, err)
}

// members of the pool that are there for claims, by image.
func members(ns *harness.Space) (*v1beta1.SandboxList, map[string]int) {
	ns.T.Helper()
	list, err := ns.Sandboxes().List(ns.T.Context(), metav1.ListOptions{FieldSelector: "spec.claimRef.name="})
	require.NoError(ns.T, err)
	images := map[string]int{}
	for i := range list.Items {
		images[list.Items[i].Spec.PodTemplate.Spec.Containers[0].Image]++
	}
	return list, images
}

func waitReplaced(ns *harness.Space, image string, replicas int) {
	ns.T.Helper()
	ns.Eventually("all members are of "+image, func() error {
		if _, images := members(ns); len(images) != 1 || images[image] != replicas {
			return fmt.Errorf("%v", images)
		}
		return nil
	})
	waitFull(ns, int32(replicas))
}

// lowest follows a watch and knows how few members were usable at any moment of it.
type lowest struct {
	mu     sync.Mutex
	usable map[string]bool
	count  int
}

func usable(s *v1beta1.Sandbox) bool {
	return s.DeletionTimestamp == nil && s.Spec.ClaimRef == nil && meta.IsStatusConditionTrue(s.Status.Conditions, v1beta1.ConditionReady)
}

func (l *lowest) follow(ns *harness.Space) (stop func() int) {
	ns.T.Helper()
	list, _ := members(ns)
	for i := range list.Items {
		l.usable[list.Items[i].Name] = usable(&list.Items[i])
	}
	watcher, err := ns.Sandboxes().Watch(ns.T.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	require.NoError(ns.T, err)
	l.count = len(list.Items)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for event := range watcher.ResultChan() {
			if s, ok := event.Object.(*v1beta1.Sandbox); ok {
				l.see(s.Name, event.Type != watch.Deleted && usable(s))
			}
		}
	}()
	return func() int {
		watcher.Stop()
		<-ended
		return l.count
	}
}

func (l *lowest) see(name string, now bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.usable[name] = now
	count := 0
	for _, yes := range l.usable {
		if yes {
			count++
		}
	}
	l.count = min(l.count, count)
}

func TestRollingUpdateKeepsThePoolUsable(t *testing.T) {
	t.Parallel()
	const replicas, maxUnavailable = 6, 2
	ns := env.Space(t)
	updatedPool(ns, replicas, fmt.Sprintf(`{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":%d}}`, maxUnavailable))
	stop := (&lowest{usable: map[string]bool{}}).follow(ns)
	changeTemplate(ns, "second:1")
	waitReplaced(ns, "second:1", replicas)
	fewest := stop()
	assert.GreaterOrEqual(t, fewest, replicas-maxUnavailable)
	assert.Less(t, fewest, replicas, "the test has seen members go")

	changeTemplate(ns, "third:1")
	var drawn []string
	for i := range 4 {
		claim, err := ns.Claims().Create(t.Context(), harness.Claim(fmt.Sprintf("during-%d", i), "python", coldStart), metav1.CreateOptions{})
		require.NoError(t, err)
		assert.Equal(t, v1beta1.LaunchWarm, claim.Status.Sandbox.LaunchType)
		assert.True(t, meta.IsStatusConditionTrue(claim.Status.Conditions, v1beta1.ConditionReady))
		drawn = append(drawn, claim.Status.Sandbox.Name)
	}
	waitReplaced(ns, "third:1", replicas)
	slices.Sort(drawn)
	assert.Len(t, slices.Compact(drawn), 4)
	for _, name := range drawn {
		assert.Nil(t, ns.Get(name).DeletionTimestamp, "what is claimed is no member any more")
	}
}

func TestRecreateGivesNobodyAnEarlierTemplate(t *testing.T) {
	t.Parallel()
	const replicas = 3
	ns := env.Space(t)
	updatedPool(ns, replicas, `{"type":"Recreate"}`)
	before, _ := members(ns)
	changeTemplate(ns, "second:1")
	for i := range 3 {
		claim, err := ns.Claims().Create(t.Context(), harness.Claim(fmt.Sprintf("during-%d", i), "python", coldStart), metav1.CreateOptions{})
		require.NoError(t, err)
		assert.Equal(t, "second:1", ns.Get(claim.Status.Sandbox.Name).Spec.PodTemplate.Spec.Containers[0].Image)
	}
	waitReplaced(ns, "second:1", replicas)
	for i := range before.Items {
		ns.WaitGone("Sandbox "+before.Items[i].Name, ns.GetSandbox(before.Items[i].Name))
	}
}
