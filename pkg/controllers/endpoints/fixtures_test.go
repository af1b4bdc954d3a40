// SPDX-License-Identifier: Apache-2.0

package endpoints

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	testingclock "k8s.io/utils/clock/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

type podChange = func(*corev1.Pod)

func newPod(name string, changes ...podChange) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: name, UID: types.UID("uid-" + name), ResourceVersion: "1",
			Labels: map[string]string{v1beta1.SandboxLabel: "true", v1beta1.SandboxNameLabel: name},
		},
		Spec: corev1.PodSpec{NodeName: "node", Hostname: name, Subdomain: v1beta1.SharedServiceName},
	}
	for _, f := range changes {
		f(pod)
	}
	return pod
}

func at(ip string) podChange {
	return func(p *corev1.Pod) {
		p.ResourceVersion += "0"
		p.Status = corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		}
	}
}

func warm(p *corev1.Pod) { p.Labels[v1beta1.WarmPoolLabel] = "python" }

func claimed(p *corev1.Pod) {
	p.ResourceVersion += "1"
	p.Labels[v1beta1.ClaimLabel] = "mine"
}

func labelled(p *corev1.Pod) {
	p.ResourceVersion += "2"
	p.Labels["app"] = "theirs"
}

func stranger(p *corev1.Pod) { delete(p.Labels, v1beta1.SandboxLabel) }

func newNode(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func on(node string) podChange { return func(p *corev1.Pod) { p.Spec.NodeName = node } }

func newService(changes ...func(*corev1.Service)) *corev1.Service {
	service := render.SharedService("team")
	service.UID, service.Spec.IPFamilies = "uid-service", []corev1.IPFamily{corev1.IPv4Protocol}
	for _, f := range changes {
		f(service)
	}
	return service
}

// harness is a controller between a fake API server and caches that a test fills by hand,
// so that it says how stale they are.
type harness struct {
	*testing.T
	*Controller
	kube  *fake.Clientset
	clock *testingclock.FakePassiveClock
	// start starts the informers, for tests that call Run.
	start func(ctx context.Context)
}

func newHarness(t *testing.T, live ...runtime.Object) *harness {
	t.Helper()
	h := &harness{T: t, kube: fake.NewClientset(live...), clock: testingclock.NewFakePassiveClock(now)}
	h.kube.PrependReactor("*", "endpointslices", stamp())
	factory := informers.NewSharedInformerFactory(h.kube, 0)
	h.start = func(ctx context.Context) { factory.StartWithContext(ctx) }
	h.Controller = New(Options{
		Kube: h.kube, Services: factory.Core().V1().Services(), Pods: factory.Core().V1().Pods(),
		Slices: factory.Discovery().V1().EndpointSlices(), Nodes: factory.Core().V1().Nodes(),
		Workers: 2, Clock: h.clock,
	})
	h.term = h.newTerm()
	return h.cache(newNode("node"))
}

// stamp does what an API server does and the fake one does not: names, UIDs and
// generations of slices.
func stamp() clienttesting.ReactionFunc {
	var made atomic.Int64
	return func(action clienttesting.Action) (bool, runtime.Object, error) {
		write, ok := action.(interface{ GetObject() runtime.Object })
		if !ok {
			return false, nil, nil
		}
		if slice, ok := write.GetObject().(*discoveryv1.EndpointSlice); ok {
			if slice.Name == "" {
				slice.Name = fmt.Sprint(slice.GenerateName, made.Add(1))
				slice.UID = types.UID("uid-" + slice.Name)
			}
			slice.Generation++
		}
		return false, nil, nil
	}
}

// cache puts objects into the caches.
func (h *harness) cache(objects ...runtime.Object) *harness {
	h.Helper()
	for _, obj := range objects {
		switch obj.(type) {
		case *corev1.Service:
			require.NoError(h, h.Services.Informer().GetIndexer().Add(obj))
		case *corev1.Pod:
			require.NoError(h, h.Pods.Informer().GetIndexer().Add(obj))
		case *corev1.Node:
			require.NoError(h, h.Nodes.Informer().GetIndexer().Add(obj))
		case *discoveryv1.EndpointSlice:
			require.NoError(h, h.Slices.Informer().GetIndexer().Add(obj))
		}
	}
	return h
}

// stored are the slices in the API server, by name.
func (h *harness) stored() []discoveryv1.EndpointSlice {
	h.Helper()
	list, err := h.kube.DiscoveryV1().EndpointSlices("team").List(h.Context(), metav1.ListOptions{})
	require.NoError(h, err)
	return list.Items
}

// catchUp lets the cache know what is stored.
func (h *harness) catchUp() {
	h.Helper()
	stored := h.stored()
	for i := range stored {
		h.cache(&stored[i])
	}
}

// names are what DNS would answer: a name and an address each.
func (h *harness) names() []string {
	h.Helper()
	var names []string
	for _, slice := range h.stored() {
		for _, endpoint := range slice.Endpoints {
			names = append(names, *endpoint.Hostname+" "+endpoint.Addresses[0])
		}
	}
	slices.Sort(names)
	return names
}

// writes are the verbs of what was written since the last call.
func (h *harness) writes() []string {
	var verbs []string
	for _, action := range h.kube.Actions() {
		if verb := action.GetVerb(); verb != "list" && verb != "watch" {
			verbs = append(verbs, verb)
		}
	}
	h.kube.ClearActions()
	return verbs
}
