// SPDX-License-Identifier: Apache-2.0

package template

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
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

var (
	now    = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	python = worker.Key{Namespace: "team", Name: "python"}
	gvrs   = map[string]string{"*v1beta1.SandboxTemplate": "sandboxtemplates", "*v1beta1.Sandbox": "sandboxes"}
)

func newTemplate(changes ...func(*v1beta1.SandboxTemplate)) *v1beta1.SandboxTemplate {
	template := &v1beta1.SandboxTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "python", UID: "uid-python", ResourceVersion: "7", Generation: 3},
		Spec: v1beta1.SandboxTemplateSpec{
			PodTemplate:             v1beta1.PodTemplate{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "python"}}}},
			NetworkPolicyManagement: v1beta1.NetworkPolicyManaged,
		},
	}
	for _, f := range changes {
		f(template)
	}
	return template
}

func unmanagedTemplate(t *v1beta1.SandboxTemplate) {
	t.Spec.NetworkPolicyManagement = v1beta1.NetworkPolicyUnmanaged
}

func ownRules(t *v1beta1.SandboxTemplate) {
	t.Spec.NetworkPolicy = &v1beta1.NetworkPolicySpec{Egress: []networkingv1.NetworkPolicyEgressRule{{Ports: []networkingv1.NetworkPolicyPort{{}}}}}
}

func withReason(status metav1.ConditionStatus, reason string) func(*v1beta1.SandboxTemplate) {
	return func(t *v1beta1.SandboxTemplate) {
		t.Status.Conditions = []metav1.Condition{{
			Type: v1beta1.ConditionNetworkPolicyReady, Status: status, Reason: reason, Message: "as before", ObservedGeneration: 2,
			LastTransitionTime: metav1.NewTime(now.Add(-time.Hour)),
		}}
	}
}

// newPolicy is the NetworkPolicy of newTemplate.
func newPolicy(changes ...func(*networkingv1.NetworkPolicy)) *networkingv1.NetworkPolicy {
	policy := render.NetworkPolicy(newTemplate())
	policy.UID, policy.ResourceVersion = "uid-policy", "70"
	for _, f := range changes {
		f(policy)
	}
	return policy
}

// stranger has the name, and nothing else of ours.
func stranger(p *networkingv1.NetworkPolicy) { p.Labels = map[string]string{"app": "theirs"} }

func opened(p *networkingv1.NetworkPolicy) {
	p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
}

func terminating(p *networkingv1.NetworkPolicy) {
	at := metav1.NewTime(now.Add(-time.Second))
	p.DeletionTimestamp = &at
}

func madeFrom(template string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "team", Name: "python-1", Labels: map[string]string{v1beta1.TemplateLabel: template}}
}

func newSandbox(template string) *v1beta1.Sandbox {
	return &v1beta1.Sandbox{ObjectMeta: madeFrom(template)}
}

func newPod(template string) *corev1.Pod { return &corev1.Pod{ObjectMeta: madeFrom(template)} }

// harness is a controller between two fake API servers and caches that a test
// fills by hand, so that it says how stale they are.
type harness struct {
	*testing.T
	*Controller
	kube   *fake.Clientset
	own    *sandboxfake.Clientset
	events *events.FakeRecorder
	// start starts the informers, for tests that call Run.
	start func(ctx context.Context)
}

// newHarness starts with what the API servers have. The caches are empty.
func newHarness(t *testing.T, live ...runtime.Object) *harness {
	t.Helper()
	h := &harness{T: t, events: events.NewFakeRecorder(100)}
	// Not NewClientset: its tracker guesses plurals, and guesses "sandboxs".
	h.kube, h.own = fake.NewClientset(), sandboxfake.NewSimpleClientset()
	h.store(live...)
	factory := informers.NewSharedInformerFactory(h.kube, 0)
	ownFactory := externalversions.NewSharedInformerFactory(h.own, 0)
	h.start = func(ctx context.Context) {
		factory.StartWithContext(ctx)
		ownFactory.StartWithContext(ctx)
	}
	h.Controller = New(Options{
		Own:             h.own.SandboxV1beta1(),
		Templates:       ownFactory.Sandbox().V1beta1().SandboxTemplates(),
		Sandboxes:       ownFactory.Sandbox().V1beta1().Sandboxes(),
		Kube:            h.kube,
		Pods:            factory.Core().V1().Pods(),
		NetworkPolicies: factory.Networking().V1().NetworkPolicies(),
		Events:          h.events,
		Workers:         2,
		Clock:           testingclock.NewFakePassiveClock(now),
	})
	return h
}

// newSyncedHarness has the same objects in the API servers and in the caches.
func newSyncedHarness(t *testing.T, objects ...runtime.Object) *harness {
	t.Helper()
	return newHarness(t, objects...).cache(objects...)
}

// store adds objects to the API servers.
func (h *harness) store(objects ...runtime.Object) {
	h.Helper()
	for _, object := range objects {
		if resource, ok := gvrs[fmt.Sprintf("%T", object)]; ok {
			require.NoError(h, h.own.Tracker().Create(v1beta1.SchemeGroupVersion.WithResource(resource), object, "team"))
		} else {
			require.NoError(h, h.kube.Tracker().Add(object))
		}
	}
}

// cache adds objects to the caches.
func (h *harness) cache(objects ...runtime.Object) *harness {
	h.Helper()
	for _, object := range objects {
		var err error
		switch object.(type) {
		case *v1beta1.SandboxTemplate:
			err = h.Templates.Informer().GetIndexer().Add(object)
		case *v1beta1.Sandbox:
			err = h.Sandboxes.Informer().GetIndexer().Add(object)
		case *corev1.Pod:
			err = h.Pods.Informer().GetIndexer().Add(object)
		case *networkingv1.NetworkPolicy:
			err = h.NetworkPolicies.Informer().GetIndexer().Add(object)
		default:
			err = fmt.Errorf("no cache for %T", object)
		}
		require.NoError(h, err)
	}
	return h
}

// mustSync syncs without error and returns the delay that was asked for.
func (h *harness) mustSync() time.Duration {
	h.Helper()
	result, err := h.sync(h.Context(), python)
	require.NoError(h, err)
	return result.RequeueAfter
}

// refuse makes the API server of the cluster answer with an error.
func (h *harness) refuse(verb, resource string, err error) {
	h.kube.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, err })
}

// writes are the writes to both API servers, the status left out.
func (h *harness) writes() []string {
	var texts []string
	for _, action := range slices.Concat(h.kube.Actions(), h.own.Actions()) {
		if slices.Contains([]string{"get", "list", "watch"}, action.GetVerb()) || action.GetSubresource() == "status" {
			continue
		}
		text := action.GetVerb() + " " + action.GetResource().Resource
		if deletion, ok := action.(clienttesting.DeleteActionImpl); ok {
			text += fmt.Sprintf(" uid=%s rv=%s", *deletion.DeleteOptions.Preconditions.UID, *deletion.DeleteOptions.Preconditions.ResourceVersion)
		}
		texts = append(texts, text)
	}
	return texts
}

// policy is the NetworkPolicy as the API server has it, nil without.
func (h *harness) policy() *networkingv1.NetworkPolicy {
	h.Helper()
	policy, err := h.kube.NetworkingV1().NetworkPolicies("team").Get(h.Context(), "sandbox-template-python", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(h, err)
	return policy
}

// stored is the template as the API server has it.
func (h *harness) stored() *v1beta1.SandboxTemplate {
	h.Helper()
	template, err := h.own.SandboxV1beta1().SandboxTemplates("team").Get(h.Context(), "python", metav1.GetOptions{})
	require.NoError(h, err)
	return template
}

// ready is the condition of the stored template as "Status/Reason".
func (h *harness) ready() string {
	h.Helper()
	condition := meta.FindStatusCondition(h.stored().Status.Conditions, v1beta1.ConditionNetworkPolicyReady)
	if condition == nil {
		return ""
	}
	return string(condition.Status) + "/" + condition.Reason
}
