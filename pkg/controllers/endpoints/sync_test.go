// SPDX-License-Identifier: Apache-2.0

package endpoints

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

func (h *harness) mustSync() worker.Result {
	h.Helper()
	result, err := h.sync(h.Context(), keyOf("team"))
	require.NoError(h, err)
	return result
}

func TestNames(t *testing.T) {
	h := newHarness(t).cache(newService(),
		newPod("dev", at("10.0.0.1")), newPod("web", at("10.0.0.2")), newPod("warm", warm, at("10.0.0.3")),
		newPod("starting"), newPod("theirs", stranger, at("10.0.0.4")),
		newPod("ended", at("10.0.0.5"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }))
	h.mustSync()
	assert.Equal(t, []string{"dev 10.0.0.1", "warm 10.0.0.3", "web 10.0.0.2"}, h.names())
	assert.Equal(t, []string{"create"}, h.writes())
	slice := h.stored()[0]
	assert.Equal(t, manager, slice.Labels[discoveryv1.LabelManagedBy])
	assert.Equal(t, "sandboxes", slice.Labels[discoveryv1.LabelServiceName])
	require.Len(t, slice.OwnerReferences, 1)
	assert.EqualValues(t, "uid-service", slice.OwnerReferences[0].UID, "they go with the Service")

	h.catchUp()
	h.mustSync()
	assert.Empty(t, h.writes(), "nothing has changed")

	h.cache(newPod("dev", at("10.0.0.9")))
	h.mustSync()
	assert.Equal(t, []string{"dev 10.0.0.9", "warm 10.0.0.3", "web 10.0.0.2"}, h.names())
	assert.Equal(t, []string{"update"}, h.writes())
}

func TestManyNamesTakeManySlices(t *testing.T) {
	h := newHarness(t).cache(newService())
	for i := range 2*perSlice + 1 {
		h.cache(newPod(fmt.Sprintf("s%d", i), at(fmt.Sprintf("10.0.%d.%d", i/200, i%200))))
	}
	h.mustSync()
	assert.Len(t, h.names(), 2*perSlice+1)
	assert.Len(t, h.stored(), 3)
	h.catchUp()
	h.writes()

	h.cache(newPod("one-more", at("10.0.9.9")))
	h.mustSync()
	assert.Equal(t, []string{"update"}, h.writes(), "the others stay as they are")
}

func TestAPodOfALostNodeHasNoName(t *testing.T) {
	h := newHarness(t).cache(newService(), newPod("dev", at("10.0.0.1")), newPod("lost", at("10.0.0.2"), on("gone")), newPod("starting", on("")))
	assert.Equal(t, nodeRetry, h.mustSync().RequeueAfter, "the cache of nodes may be behind")
	assert.Equal(t, []string{"dev 10.0.0.1"}, h.names())

	h.catchUp()
	h.cache(newNode("gone"))
	assert.Zero(t, h.mustSync().RequeueAfter)
	assert.Equal(t, []string{"dev 10.0.0.1", "lost 10.0.0.2"}, h.names())
}

func TestACacheThatIsBehindIsWaitedFor(t *testing.T) {
	h := newHarness(t).cache(newService(), newPod("dev", at("10.0.0.1")))
	h.mustSync()
	h.writes()
	assert.Equal(t, staleRetry, h.mustSync().RequeueAfter)
	assert.Empty(t, h.writes(), "the slice that was written is not in the cache yet: another would be too many")
}

func TestServicesThatAreNotOurs(t *testing.T) {
	deleted := metav1.NewTime(now)
	for name, services := range map[string][]runtime.Object{
		"none":                 nil,
		"with a selector":      {newService(func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "theirs"} })},
		"without our label":    {newService(func(s *corev1.Service) { s.Labels = nil })},
		"which is being ended": {newService(func(s *corev1.Service) { s.DeletionTimestamp = &deleted })},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t).cache(append(services, newPod("dev", at("10.0.0.1")))...)
			h.mustSync()
			assert.Empty(t, h.writes())
		})
	}
}

func TestSlicesOfOthersStay(t *testing.T) {
	theirs := newSlice("theirs", 1, func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelManagedBy] = "theirs" })
	h := newHarness(t, theirs).cache(newService(), newPod("dev", at("10.0.0.1")), theirs)
	h.mustSync()
	assert.Len(t, h.stored(), 2)
	assert.Equal(t, []string{"create"}, h.writes())
}

func TestWhatTheClusterLeavesBehindGoes(t *testing.T) {
	left := newSlice("left", 1, func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelManagedBy] = clusterManager })
	endpoints := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "sandboxes"}} //nolint:staticcheck // it is what there is
	for name, live := range map[string][]runtime.Object{"slices and Endpoints": {left, endpoints}, "slices alone": {left}} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, live...).cache(newService(), newPod("dev", at("10.0.0.1")), left)
			h.mustSync()
			assert.Equal(t, []string{"create", "delete", "delete"}, h.writes())
			require.Len(t, h.stored(), 1)
			assert.Equal(t, []string{"dev 10.0.0.1"}, h.names())
		})
	}
	assert.True(t, isLeftover(left))
}

func TestASliceThatWasTakenOverIsNotWaitedFor(t *testing.T) {
	h := newHarness(t).cache(newService(), newPod("dev", at("10.0.0.1")))
	h.mustSync()
	h.catchUp()
	before := h.stored()[0].DeepCopy()
	after := before.DeepCopy()
	after.Labels[discoveryv1.LabelManagedBy] = "theirs"
	require.NoError(t, h.Slices.Informer().GetIndexer().Update(after))
	assert.True(t, h.term.unexpected(before, after))
	h.writes()
	assert.Zero(t, h.mustSync().RequeueAfter)
	assert.Equal(t, []string{"create"}, h.writes())
}

func TestARefusedWriteIsTriedAgain(t *testing.T) {
	h := newHarness(t).cache(newService(), newPod("dev", at("10.0.0.1")))
	away := errors.New("away")
	h.kube.PrependReactor("create", "endpointslices", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, away })
	_, err := h.sync(t.Context(), keyOf("team"))
	require.ErrorContains(t, err, `keeping the EndpointSlices of Service "sandboxes"`)
}

func TestTheEndOfAServiceIsTheEndOfWhatIsRemembered(t *testing.T) {
	h := newHarness(t).cache(newService(), newPod("dev", at("10.0.0.1")))
	h.mustSync()
	assert.True(t, h.term.pace.has(newPod("dev", at("10.0.0.1"))))
	require.NoError(t, h.Services.Informer().GetIndexer().Delete(newService()))
	h.mustSync()
	assert.False(t, h.term.pace.has(newPod("dev", at("10.0.0.1"))))
	assert.Zero(t, h.mustSync().RequeueAfter, "its slices are not waited for")
}

// TestRun goes the whole way twice: a term begins with what there is, and follows.
func TestRun(t *testing.T) {
	h := newHarness(t, newNode("node"), newService(), newPod("dev", at("10.0.0.1")))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h.start(ctx)
	for term, next := range []string{"web", "python"} {
		leading, resign := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() { h.Controller.Run(leading); close(ended) }()
		want := fmt.Sprintf("%s 10.0.0.%d", next, 2+term)
		require.Eventually(t, func() bool { return assert.ObjectsAreEqual("dev 10.0.0.1", append(h.names(), "")[0]) }, time.Minute, time.Millisecond)
		_, err := h.kube.CoreV1().Pods("team").Create(ctx, newPod(next, at(fmt.Sprintf("10.0.0.%d", 2+term))), metav1.CreateOptions{})
		require.NoError(t, err)
		require.Eventually(t, func() bool { return assert.Contains(&testing.T{}, h.names(), want) }, time.Minute, time.Millisecond)
		resign()
		<-ended
	}
}
