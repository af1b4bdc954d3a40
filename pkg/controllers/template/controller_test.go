// SPDX-License-Identifier: Apache-2.0

package template

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// term runs the controller until the returned function has ended it.
func (h *harness) term() (end func()) {
	ctx, cancel := context.WithCancel(h.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Controller.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (h *harness) eventually(what string, condition func() bool) {
	h.Helper()
	require.Eventually(h, condition, 10*time.Second, 5*time.Millisecond, what)
}

func (h *harness) hasPolicy() bool { return h.policy() != nil }
func (h *harness) noPolicy() bool  { return h.policy() == nil }

func TestWhatHappensIsNoticed(t *testing.T) {
	h := newHarness(t)
	h.start(t.Context())
	defer h.term()()
	templates, policies := h.own.SandboxV1beta1().SandboxTemplates("team"), h.kube.NetworkingV1().NetworkPolicies("team")

	_, err := templates.Create(t.Context(), newTemplate(), metav1.CreateOptions{})
	require.NoError(t, err)
	h.eventually("a NetworkPolicy", h.hasPolicy)
	h.eventually("in place", func() bool { return h.ready() == "True/NetworkPolicyInPlace" })

	t.Run("somebody deletes it", func(t *testing.T) {
		require.NoError(t, policies.Delete(t.Context(), h.policy().Name, metav1.DeleteOptions{}))
		h.eventually("a NetworkPolicy", h.hasPolicy)
	})
	t.Run("somebody opens it", func(t *testing.T) {
		policy := h.policy()
		opened(policy)
		_, err := policies.Update(t.Context(), policy, metav1.UpdateOptions{})
		require.NoError(t, err)
		h.eventually("closed", func() bool { return len(h.policy().Spec.Ingress[0].From) == 1 })
	})
	t.Run("the template goes, its last Sandbox and Pod later", func(t *testing.T) {
		_, err := h.own.SandboxV1beta1().Sandboxes("team").Create(t.Context(), newSandbox("python"), metav1.CreateOptions{})
		require.NoError(t, err)
		_, err = h.kube.CoreV1().Pods("team").Create(t.Context(), newPod("python"), metav1.CreateOptions{})
		require.NoError(t, err)
		require.NoError(t, templates.Delete(t.Context(), "python", metav1.DeleteOptions{}))
		require.NoError(t, h.own.SandboxV1beta1().Sandboxes("team").Delete(t.Context(), "python-1", metav1.DeleteOptions{}))
		assert.True(t, h.hasPolicy())
		require.NoError(t, h.kube.CoreV1().Pods("team").Delete(t.Context(), "python-1", metav1.DeleteOptions{}))
		h.eventually("no NetworkPolicy", h.noPolicy)
	})
}

// A term begins with what happened while nobody led.
func TestOneControllerServesSeveralTerms(t *testing.T) {
	h := newHarness(t, newTemplate())
	h.start(t.Context())
	end := h.term()
	h.eventually("a NetworkPolicy", h.hasPolicy)
	end()

	require.NoError(t, h.own.SandboxV1beta1().SandboxTemplates("team").Delete(t.Context(), "python", metav1.DeleteOptions{}))
	assert.True(t, h.hasPolicy(), "nobody works between terms")

	defer h.term()()
	h.eventually("no NetworkPolicy, though its template's end was nobody's event", h.noPolicy)
}

func TestSeed(t *testing.T) {
	other := newPolicy()
	other.Name = "theirs"
	left := newPolicy()
	left.Name = "sandbox-template-ruby"
	h := newHarness(t).cache(newTemplate(), other, left)
	assert.Equal(t, []worker.Key{python, {Namespace: "team", Name: "ruby"}}, h.seed())
}

func TestTombstonesCount(t *testing.T) {
	var got []string
	handler := call(func(obj metav1.Object) { got = append(got, obj.GetName()) })
	handler(newTemplate())
	handler(cache.DeletedFinalStateUnknown{Key: "team/python", Obj: newTemplate()})
	handler(cache.DeletedFinalStateUnknown{Key: "team/python"})
	handler((*v1beta1.SandboxTemplateList)(nil))
	assert.Equal(t, []string{"python", "python"}, got)
}
