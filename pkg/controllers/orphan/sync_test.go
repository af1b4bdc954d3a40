// SPDX-License-Identifier: Apache-2.0

package orphan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	sandboxfake "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/fake"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions"
)

// harness is a controller between two fake API servers and caches that a test fills.
type harness struct {
	*testing.T
	*Controller
	kube   *fake.Clientset
	own    *sandboxfake.Clientset
	events *events.FakeRecorder
	clock  *testingclock.FakePassiveClock
}

// newHarness has a healthy Sandbox for each of many Pods.
func newHarness(t *testing.T) *harness {
	t.Helper()
	registerMetrics()
	h := &harness{T: t, events: events.NewFakeRecorder(100), clock: testingclock.NewFakePassiveClock(now)}
	h.kube, h.own = fake.NewClientset(), sandboxfake.NewSimpleClientset()
	factory := informers.NewSharedInformerFactory(h.kube, 0)
	h.Controller = New(Options{
		Sandboxes:       h.own.SandboxV1beta1(),
		SandboxInformer: externalversions.NewSharedInformerFactory(h.own, 0).Sandbox().V1beta1().Sandboxes(),
		Kube:            h.kube,
		Pods:            factory.Core().V1().Pods(),
		Services:        factory.Core().V1().Services(),
		Events:          h.events,
		Clock:           h.clock,
	})
	for i := range 8 {
		sandbox := newSandbox(fmt.Sprint("healthy-", i))
		h.cacheSandbox(sandbox)
		h.add(render.Pod(sandbox, "uid-anchor"))
	}
	return h
}

func newSandbox(name string) *v1beta1.Sandbox {
	return &v1beta1.Sandbox{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, UID: types.UID("uid-" + name)}}
}

// lostPod is what the collector leaves of a Pod whose Sandbox is not there.
func lostPod(name string) *corev1.Pod {
	pod := render.Pod(newSandbox(name), "uid-anchor")
	pod.UID, pod.ResourceVersion, pod.OwnerReferences = types.UID("pod-"+name), "7", pod.OwnerReferences[1:]
	return pod
}

func lostService(name string) *corev1.Service {
	service := render.Service(newSandbox(name), "uid-anchor")
	service.UID, service.ResourceVersion, service.OwnerReferences = types.UID("service-"+name), "8", service.OwnerReferences[1:]
	return service
}

// add puts a child into the cluster and the cache.
func (h *harness) add(object runtime.Object) {
	h.Helper()
	require.NoError(h, h.kube.Tracker().Add(object))
	h.cacheChild(object)
}

func (h *harness) cacheChild(object runtime.Object) {
	h.Helper()
	indexer := h.Pods.Informer().GetIndexer()
	if _, ok := object.(*corev1.Service); ok {
		indexer = h.Services.Informer().GetIndexer()
	}
	require.NoError(h, indexer.Add(object))
}

func (h *harness) cacheSandbox(sandbox *v1beta1.Sandbox) {
	h.Helper()
	require.NoError(h, h.SandboxInformer.Informer().GetIndexer().Add(sandbox))
}

func (h *harness) storeSandbox(sandbox *v1beta1.Sandbox) {
	h.Helper()
	require.NoError(h, h.own.Tracker().Create(v1beta1.SchemeGroupVersion.WithResource("sandboxes"), sandbox, sandbox.Namespace))
}

// sweep runs one after that time, and returns the deletes.
func (h *harness) sweep(after time.Duration) []string {
	h.Helper()
	h.kube.ClearActions()
	h.clock.SetTime(h.clock.Now().Add(after))
	result, err := h.sync(h.Context(), worker.Key{Name: "all"})
	require.NoError(h, err)
	require.Equal(h, defaultInterval, result.RequeueAfter)
	var deletes []string
	for _, action := range h.kube.Actions() {
		if deletion, ok := action.(clienttesting.DeleteActionImpl); ok {
			p := deletion.DeleteOptions.Preconditions
			deletes = append(deletes, fmt.Sprintf("%s/%s uid=%s rv=%s", deletion.Resource.Resource, deletion.Name, *p.UID, *p.ResourceVersion))
		} else {
			require.Equal(h, "get", action.GetVerb())
		}
	}
	return deletes
}

// gone takes a deleted child out of the cache.
func (h *harness) gone(object runtime.Object) {
	h.Helper()
	require.NoError(h, h.Pods.Informer().GetIndexer().Delete(object))
}

// told are the Events so far, without their notes.
func (h *harness) told() []string {
	var texts []string
	for {
		select {
		case text := <-h.events.Events:
			texts = append(texts, strings.Join(strings.SplitN(text, " ", 3)[:2], " "))
		default:
			return texts
		}
	}
}

func TestOrphansAreDeletedOneASweepAfterTheGrace(t *testing.T) {
	h := newHarness(t)
	h.add(lostPod("a"))
	h.add(lostService("a"))
	assert.Empty(t, h.sweep(0))
	assert.Equal(t, []string{"Warning Orphaned", "Warning Orphaned"}, h.told())
	assert.Empty(t, h.sweep(defaultGrace-time.Second))
	assert.Empty(t, h.told(), "once is enough")
	assert.Equal(t, []string{"pods/a uid=pod-a rv=7"}, h.sweep(time.Second))
	h.gone(lostPod("a"))
	assert.Equal(t, []string{"services/a uid=service-a rv=8"}, h.sweep(defaultInterval))
	assert.Equal(t, []string{"Warning OrphanDeleted", "Warning OrphanDeleted"}, h.told())
}

// due has an orphan in the harness of which the grace is over, but for what a test changes.
func due(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t)
	h.add(lostPod("a"))
	require.Empty(t, h.sweep(0))
	return h
}

func TestWhatIsNotDeleted(t *testing.T) {
	podsResource := corev1.SchemeGroupVersion.WithResource("pods")
	change := func(h *harness, f func(*corev1.Pod)) {
		pod := lostPod("a")
		f(pod)
		require.NoError(h, h.kube.Tracker().Update(podsResource, pod, "team"))
	}
	tests := map[string]func(h *harness){
		"the store has the Sandbox, the cache not yet": func(h *harness) { h.storeSandbox(newSandbox("a")) },
		"the cache has it": func(h *harness) { h.cacheSandbox(newSandbox("a")) },
		"the store does not answer": func(h *harness) {
			h.own.PrependReactor("get", "sandboxes", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewServiceUnavailable("the storage is in doubt")
			})
		},
		"nobody serves Sandboxes": func(h *harness) {
			h.own.PrependReactor("get", "sandboxes", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewGenericServerResponse(404, "get", schema.GroupResource{}, "", "404 page not found", 0, true)
			})
		},
		"the cluster does not answer": func(h *harness) {
			h.kube.PrependReactor("get", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, errors.New("connection refused")
			})
		},
		"somebody took the label off": func(h *harness) {
			change(h, func(p *corev1.Pod) { delete(p.Labels, v1beta1.SandboxUIDLabel) })
		},
		"somebody retained it": func(h *harness) {
			change(h, func(p *corev1.Pod) { p.Labels[v1beta1.SandboxUIDLabel] = v1beta1.RetainedUID })
		},
		"somebody controls it": func(h *harness) {
			change(h, func(p *corev1.Pod) { p.OwnerReferences = render.Owners(newSandbox("a"), "uid-anchor") })
		},
		"it is another Pod": func(h *harness) { change(h, func(p *corev1.Pod) { p.UID = "pod-after" }) },
		"it has gone": func(h *harness) {
			require.NoError(h, h.kube.Tracker().Delete(podsResource, "team", "a"))
		},
		"there are too many": func(h *harness) {
			for i := range 8 {
				h.add(lostPod(fmt.Sprint("lost-", i)))
			}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			h := due(t)
			change(h)
			assert.Empty(t, h.sweep(defaultGrace))
		})
	}
	assert.NotEmpty(t, due(t).sweep(defaultGrace), "the control")
}

// A namesake does not make the Pod of a lost Sandbox its own, so it stays an orphan.
func TestNamesakeSavesNoOrphan(t *testing.T) {
	h := due(t)
	namesake := newSandbox("a")
	namesake.UID = "uid-after"
	h.storeSandbox(namesake)
	h.cacheSandbox(namesake)
	assert.Equal(t, []string{"pods/a uid=pod-a rv=7"}, h.sweep(defaultGrace))
}

func TestWhatIsNoOrphan(t *testing.T) {
	tests := map[string]func(*corev1.Pod){
		"no anchor":                   func(p *corev1.Pod) { p.OwnerReferences = nil },
		"no label":                    func(p *corev1.Pod) { delete(p.Labels, v1beta1.SandboxUIDLabel) },
		"the name of another Sandbox": func(p *corev1.Pod) { p.Labels[v1beta1.SandboxNameLabel] = "b" },
		"left to the user":            func(p *corev1.Pod) { p.Labels[v1beta1.SandboxUIDLabel] = v1beta1.RetainedUID },
		"on its way":                  func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			pod := lostPod("a")
			change(pod)
			h.add(pod)
			assert.Empty(t, h.sweep(0))
			assert.Empty(t, h.sweep(2*defaultGrace))
			assert.Empty(t, h.told())
		})
	}
}

func TestTheBrakeIsTold(t *testing.T) {
	h := due(t)
	h.told()
	for i := range 8 {
		h.add(lostPod(fmt.Sprint("lost-", i)))
	}
	h.sweep(time.Second)
	h.sweep(time.Second)
	assert.Equal(t, []string{"Warning OrphanSweepStopped"}, h.told(), "once, and of no single Pod")
	for i := range 8 {
		h.gone(lostPod(fmt.Sprint("lost-", i)))
	}
	assert.Empty(t, h.sweep(defaultGrace), "the grace begins anew")
	assert.Equal(t, []string{"Warning Orphaned"}, h.told())
	assert.NotEmpty(t, h.sweep(defaultGrace))
}

// Pools refill after a loss: that is nobody's decision.
func TestTheBrakeIsNotReleasedByWhatIsMadeLater(t *testing.T) {
	h := newHarness(t)
	for _, name := range []string{"a", "b", "c"} {
		h.add(lostPod(name))
	}
	h.sweep(0)
	require.Equal(t, []string{"Warning OrphanSweepStopped"}, h.told(), "3 of 11")
	for i := range 20 {
		sandbox := newSandbox(fmt.Sprint("later-", i))
		pod := render.Pod(sandbox, "uid-anchor")
		pod.CreationTimestamp = metav1.NewTime(now.Add(time.Minute))
		h.cacheSandbox(sandbox)
		h.add(pod)
	}
	assert.Empty(t, h.sweep(time.Minute))
	assert.Empty(t, h.sweep(2*defaultGrace))
	assert.Empty(t, h.told())
	h.gone(lostPod("c"))
	assert.Empty(t, h.sweep(time.Minute), "the grace begins")
	assert.NotEmpty(t, h.sweep(defaultGrace))
}

// One delete that is refused does not keep the others waiting.
func TestRefusedDeletes(t *testing.T) {
	h := due(t)
	h.add(lostService("b"))
	h.kube.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "a", errors.New("a webhook says no"))
	})
	h.sweep(time.Second)
	assert.Equal(t, []string{"pods/a uid=pod-a rv=7"}, h.sweep(defaultGrace))
	assert.Equal(t, []string{"services/b uid=service-b rv=8"}, h.sweep(time.Minute))
}

// A term begins without memory: the predecessor may have seen what is not so any more.
func TestNewTermBeginsAnew(t *testing.T) {
	h := due(t)
	ended, end := context.WithCancel(t.Context())
	end()
	h.Controller.Run(ended)
	assert.Empty(t, h.sweep(defaultGrace))
	assert.NotEmpty(t, h.sweep(defaultGrace))
}
