// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"context"
	"errors"
	"fmt"
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
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	sandboxfake "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/fake"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions"
	sandboxinformers "agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions/sandbox/v1beta1"
)

// harness is a controller between two fake API servers.
type harness struct {
	*testing.T
	*Controller
	kube   *fake.Clientset
	own    *sandboxfake.Clientset
	clock  *testingclock.FakePassiveClock
	events *events.FakeRecorder
}

// newHarness caches one object of each kind, two hours old, in a namespace of which
// the cluster knows nothing, and some in others.
func newHarness(t *testing.T) *harness {
	t.Helper()
	registerMetrics()
	h := &harness{T: t, kube: fake.NewClientset(), own: sandboxfake.NewSimpleClientset(), clock: testingclock.NewFakePassiveClock(now)}
	h.events = events.NewFakeRecorder(100)
	h.Controller = New(Options{
		Own:       h.own.SandboxV1beta1(),
		Informers: sandboxinformers.New(externalversions.NewSharedInformerFactory(h.own, 0), "", nil),
		Kube:      h.kube,
		Events:    h.events,
		Clock:     h.clock,
	})
	h.cache(&v1beta1.SandboxTemplate{ObjectMeta: meta("template")}, &v1beta1.SandboxWarmPool{ObjectMeta: meta("pool")},
		&v1beta1.SandboxClaim{ObjectMeta: meta("claim")}, &v1beta1.Sandbox{ObjectMeta: meta("dev")})
	for _, name := range []string{"a", "b", "c"} {
		h.namespace(name, types.UID("uid-"+name), 1000*time.Hour)
		elsewhere := meta("dev")
		elsewhere.Namespace = name
		h.cache(&v1beta1.Sandbox{ObjectMeta: elsewhere})
	}
	return h
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "team", Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(now.Add(-2 * time.Hour))}
}

// cache adds objects to the caches and to our API server.
func (h *harness) cache(objects ...runtime.Object) {
	h.Helper()
	for _, obj := range objects {
		resource := map[string]string{
			"*v1beta1.SandboxTemplate": templates, "*v1beta1.SandboxWarmPool": pools, "*v1beta1.SandboxClaim": claims, "*v1beta1.Sandbox": sandboxes,
		}[fmt.Sprintf("%T", obj)]
		require.NoError(h, h.own.Tracker().Create(v1beta1.SchemeGroupVersion.WithResource(resource), obj, obj.(metav1.Object).GetNamespace()))
		for _, kind := range h.kinds {
			if kind.resource == resource {
				require.NoError(h, kind.informer.GetIndexer().Add(obj))
			}
		}
	}
}

func (h *harness) namespace(name string, uid types.UID, age time.Duration) {
	h.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid, CreationTimestamp: metav1.NewTime(now.Add(-age))}}
	require.NoError(h, h.kube.Tracker().Add(namespace))
}

func (h *harness) noNamespace() {
	h.Helper()
	require.NoError(h, h.kube.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("namespaces"), "", "team"))
}

func (h *harness) refuse(verb string, err error) {
	h.kube.PrependReactor(verb, "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, err })
}

// check runs one after that time, and returns the deletes.
func (h *harness) check(after time.Duration) []string {
	h.Helper()
	h.own.ClearActions()
	h.clock.SetTime(h.clock.Now().Add(after))
	result, err := h.sync(h.Context(), worker.Key{Name: "all"})
	require.NoError(h, err)
	require.Equal(h, defaultInterval, result.RequeueAfter)
	var deletes []string
	for _, action := range h.own.Actions() {
		deletion, ok := action.(clienttesting.DeleteActionImpl)
		require.True(h, ok, "it only deletes, and did %v", action)
		deletes = append(deletes, fmt.Sprintf("%s/%s uid=%s", deletion.Resource.Resource, deletion.Name, *deletion.DeleteOptions.Preconditions.UID))
	}
	for _, action := range h.kube.Actions() {
		require.Contains(h, []string{"get", "list"}, action.GetVerb(), "nothing in the cluster is changed")
	}
	return deletes
}

// everything is what is deleted, in order.
var everything = []string{
	"sandboxwarmpools/pool uid=uid-pool", "sandboxes/dev uid=uid-dev", "sandboxclaims/claim uid=uid-claim", "sandboxtemplates/template uid=uid-template",
}

func TestDeadNamespaceIsClearedUp(t *testing.T) {
	h := newHarness(t)
	assert.Empty(t, h.check(0))
	assert.Empty(t, h.check(defaultPatience-time.Second))
	assert.Equal(t, everything, h.check(time.Second))
}

func TestNewNamespaceOfTheSameName(t *testing.T) {
	h := newHarness(t)
	h.namespace("team", "uid-after", 30*time.Minute)
	young := meta("young")
	young.CreationTimestamp = metav1.NewTime(now)
	h.cache(&v1beta1.Sandbox{ObjectMeta: young})
	assert.Empty(t, h.check(0))
	assert.Equal(t, everything, h.check(defaultPatience), "what was made in it stays")
}

func TestWhatIsNotDeleted(t *testing.T) {
	tests := map[string]func(h *harness){
		"the namespace is there after all":         func(h *harness) { h.namespace("team", "uid-ns", 3*time.Hour) },
		"it comes back, younger: the time is anew": func(h *harness) { h.namespace("team", "uid-after", 0) },
		"the cluster does not answer":              func(h *harness) { h.refuse("*", errors.New("connection refused")) },
		"it does not answer the last question":     func(h *harness) { h.refuse("get", apierrors.NewInternalError(errors.New("etcd"))) },
		"it knows nothing of namespaces": func(h *harness) {
			h.refuse("get", apierrors.NewGenericServerResponse(404, "get", schema.GroupResource{}, "", "404 page not found", 0, true))
		},
		"the live namespace is an old one": func(h *harness) {
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team", UID: "uid-ns", CreationTimestamp: metav1.NewTime(now.Add(-3 * time.Hour))}}
			h.kube.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) { return true, namespace, nil })
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			require.Empty(t, h.check(0))
			change(h)
			assert.Empty(t, h.check(defaultPatience))
		})
	}
}

// A namespace that came and went is not one that was missing all the time.
func TestTwoChecksMustAgree(t *testing.T) {
	h := newHarness(t)
	require.Empty(t, h.check(0))
	h.namespace("team", "uid-ns", 3*time.Hour)
	require.Empty(t, h.check(time.Minute))
	h.noNamespace()
	assert.Empty(t, h.check(defaultPatience))
	assert.Equal(t, everything, h.check(defaultPatience))
}

// One object that is refused does not keep the others.
func TestRefusedDeletes(t *testing.T) {
	h := newHarness(t)
	h.own.PrependReactor("delete", pools, func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: pools}, "pool", errors.New("a webhook says no"))
	})
	h.check(0)
	assert.Equal(t, everything, h.check(defaultPatience))
}

// A term begins without memory: the predecessor may have seen what is not so any more.
func TestNewTermBeginsAnew(t *testing.T) {
	h := newHarness(t)
	h.check(0)
	ended, end := context.WithCancel(t.Context())
	end()
	h.Controller.Run(ended)
	assert.Empty(t, h.check(defaultPatience))
	assert.Equal(t, everything, h.check(defaultPatience))
}

func TestTheBrakeIsTold(t *testing.T) {
	h := newHarness(t)
	require.Empty(t, h.check(0))
	assert.Contains(t, <-h.events.Events, "Warning DeadNamespace")
	elsewhere := meta("dev")
	elsewhere.Namespace = "dead-too"
	h.cache(&v1beta1.Sandbox{ObjectMeta: elsewhere})
	assert.Empty(t, h.check(defaultPatience))
	assert.Empty(t, h.check(defaultPatience))
	assert.Contains(t, <-h.events.Events, "Warning JanitorStopped")
	assert.Empty(t, h.events.Events, "once")
}
