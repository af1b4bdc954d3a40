// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func fromTemplate(s *v1beta1.Sandbox) { s.Labels = map[string]string{v1beta1.TemplateLabel: "python"} }

func newTemplate(changes ...func(*v1beta1.SandboxTemplate)) *v1beta1.SandboxTemplate {
	template := &v1beta1.SandboxTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "python", UID: "uid-python", ResourceVersion: "5", Generation: 2},
	}
	for _, f := range changes {
		f(template)
	}
	return template
}

func withNetwork(status metav1.ConditionStatus, generation int64) func(*v1beta1.SandboxTemplate) {
	return func(t *v1beta1.SandboxTemplate) {
		t.Status.Conditions = []metav1.Condition{{
			Type: v1beta1.ConditionNetworkPolicyReady, Status: status, ObservedGeneration: generation, Message: "says why",
		}}
	}
}

func unmanagedTemplate(t *v1beta1.SandboxTemplate) {
	t.Spec.NetworkPolicyManagement = v1beta1.NetworkPolicyUnmanaged
}

func TestDecideBehindANetworkPolicy(t *testing.T) {
	waiting := func(detail string) plan { return plan{state: running, detail: detail} }
	wait := `waiting for the NetworkPolicy of SandboxTemplate "python"`
	checkPlans(t, map[string]planTest{
		"nobody has looked at the template yet": {newSandbox(fromTemplate), see(newTemplate()), waiting(wait)},
		"nobody has looked at its new rules yet": {
			newSandbox(fromTemplate), see(newTemplate(withNetwork(metav1.ConditionTrue, 1))), waiting(wait),
		},
		"the NetworkPolicy cannot be made": {
			newSandbox(fromTemplate), see(newTemplate(withNetwork(metav1.ConditionFalse, 2))), waiting(wait + ": says why"),
		},
		"disks are made meanwhile": {
			newSandbox(fromTemplate, withDisks("data")), see(newTemplate()),
			plan{state: running, detail: wait, disks: []diskAction{{0, create}}},
		},
		"it is in place":                {newSandbox(fromTemplate), see(newTemplate(withNetwork(metav1.ConditionTrue, 2))), plan{state: running, pod: create}},
		"it is the user's":              {newSandbox(fromTemplate), see(newTemplate(unmanagedTemplate)), plan{state: running, pod: create}},
		"the template is gone":          {newSandbox(fromTemplate), see(), plan{state: running, pod: create}},
		"a Pod that runs is left alone": {newSandbox(), see(newPod(up), newTemplate()), plan{state: running}},
		"a suspended one is suspended":  {newSandbox(fromTemplate, withSuspend), see(newTemplate()), plan{state: suspended}},
		"a foreign Service matters more": {
			newSandbox(fromTemplate), see(newTemplate(), sharedService(strangeService)),
			plan{state: conflict, detail: `Service "sandboxes" exists`, requeueAfter: conflictRetry},
		},
	})
}

func TestNoPodBeforeTheNetworkPolicy(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(fromTemplate), newTemplate(), sharedService())
	assert.Zero(t, h.mustSync(), "an event will tell")
	assert.Empty(t, h.writes())
	ready := meta.FindStatusCondition(h.stored().Status.Conditions, v1beta1.ConditionReady)
	assert.Equal(t, v1beta1.ReasonDependenciesNotReady, ready.Reason)
	assert.Equal(t, `waiting for the NetworkPolicy of SandboxTemplate "python"`, ready.Message)

	h.cache(newTemplate(withNetwork(metav1.ConditionTrue, 2)), h.stored()).mustSync()
	assert.Equal(t, []string{"create pods/dev"}, h.writes())
	assert.Equal(t, "python", h.pod().Labels[v1beta1.TemplateLabel], "the NetworkPolicy selects it from the start")
}

// A Sandbox may reach its cache before its template does.
func TestTemplateUnknownToTheCache(t *testing.T) {
	h := newHarness(t, newSandbox(fromTemplate), newTemplate(), sharedService()).cache(newSandbox(fromTemplate), sharedService())
	h.mustSync()
	assert.Empty(t, h.writes())

	h = newSyncedHarness(t, newSandbox(fromTemplate), sharedService())
	h.mustSync()
	assert.Equal(t, []string{"create pods/dev"}, h.writes(), "gone for certain")

	h = newSyncedHarness(t, newSandbox(fromTemplate), sharedService())
	h.own.PrependReactor("get", "sandboxtemplates", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewInternalError(errors.New("etcd is away"))
	})
	_, err := h.sync(t.Context(), dev)
	require.Error(t, err)
	assert.Empty(t, h.writes(), "nobody knows")
}

func TestTemplatesAreReadForNewPodsOnly(t *testing.T) {
	h := newSyncedHarness(t, newSandbox(fromTemplate), sharedService(), newPod(up), newNode(corev1.ConditionTrue))
	h.mustSync()
	assert.NotContains(t, h.reads(), "get sandboxtemplates/python")
}

func TestWaitingForTheNetworkPolicyEnds(t *testing.T) {
	templates := func(h *harness) func(*v1beta1.SandboxTemplate) {
		return func(template *v1beta1.SandboxTemplate) {
			_, err := h.own.SandboxV1beta1().SandboxTemplates("team").UpdateStatus(h.Context(), template, metav1.UpdateOptions{})
			require.NoError(h, err)
		}
	}
	tests := map[string]func(h *harness){
		"it is in place": func(h *harness) { templates(h)(newTemplate(withNetwork(metav1.ConditionTrue, 2))) },
		"the template goes": func(h *harness) {
			require.NoError(h, h.own.SandboxV1beta1().SandboxTemplates("team").Delete(h.Context(), "python", metav1.DeleteOptions{}))
		},
	}
	for name, then := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, newTemplate(), newNode(corev1.ConditionTrue))
			h.start(t.Context())
			defer h.term()()
			h.create(newSandbox(fromTemplate))
			h.eventually("waiting", func() bool { return h.ready() == "False/DependenciesNotReady" })
			assert.Nil(t, h.pod())
			then(h)
			h.eventually("a Pod", h.hasPod)
		})
	}
}
