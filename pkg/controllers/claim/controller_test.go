// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
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

// bound is what the claim says, in the API server and in the cache.
func (h *harness) bound(name, reason string) func() bool {
	return func() bool {
		cached, err := h.Claims.Lister().SandboxClaims("team").Get(name)
		return err == nil && conditions(cached.Status)["Bound"] == reason && conditions(h.claim(name).Status)["Bound"] == reason
	}
}

func (h *harness) create(object runtime.Object) {
	h.Helper()
	api := h.server.SandboxV1beta1()
	var err error
	switch o := object.(type) {
	case *v1beta1.Sandbox:
		_, err = api.Sandboxes("team").Create(h.Context(), o, metav1.CreateOptions{})
	case *v1beta1.SandboxClaim:
		_, err = api.SandboxClaims("team").Create(h.Context(), o, metav1.CreateOptions{})
	case *v1beta1.SandboxWarmPool:
		_, err = api.SandboxWarmPools("team").Create(h.Context(), o, metav1.CreateOptions{})
	case *v1beta1.SandboxTemplate:
		_, err = api.SandboxTemplates("team").Create(h.Context(), o, metav1.CreateOptions{})
	}
	require.NoError(h, err)
}

// A claim and its Sandbox are committed together and arrive one after the other.
func TestASandboxThatComesBeforeItsClaimIsNoReasonToAskForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		h := newHarness(t, newPool(), newTemplate())
		h.start(ctx)
		defer h.term()()
		synctest.Wait()
		h.create(newSandbox())
		synctest.Wait()
		assert.Empty(t, h.reads())

		<-time.After(claimDelay)
		synctest.Wait()
		assert.Equal(t, []string{"get sandboxclaims/mine"}, h.reads(), "it has had its time")
		assert.Contains(t, h.writes(), "delete sandboxes/python-abc uid=uid-abc rv=20", "and is not there")
	})
}

// Immune: claims that wait on a timer and not on an event.
func TestWaitingClaimsAreServedByEvents(t *testing.T) {
	h := newHarness(t, newPool(), newTemplate())
	h.start(t.Context())
	defer h.term()()
	h.create(queued("young", time.Second))
	h.create(queued("old", time.Minute))
	h.eventually("both are known", func() bool { return len(h.waitingAt(python)) == 2 })

	h.door.offer("a")
	h.create(member("a", notReady(v1beta1.ReasonDependenciesNotReady, "pulling"), readySince(0)))
	assert.Empty(t, h.door.gave())
	_, err := h.server.SandboxV1beta1().Sandboxes("team").UpdateStatus(t.Context(), member("a"), metav1.UpdateOptions{})
	require.NoError(t, err)
	h.eventually("the oldest is served", func() bool { return len(h.door.gave()) == 1 })

	h.door.offer("b")
	h.create(member("b"))
	h.eventually("the next is served", func() bool { return len(h.door.gave()) == 2 })
	assert.Equal(t, []string{"old=a", "young=b"}, h.door.gave())

	h.door.offer("c")
	h.create(member("c"))
	h.create(queued("late", 0))
	h.eventually("one that comes when something is there", func() bool { return len(h.door.gave()) == 3 })
}

// The index of what is available may be behind the cache.
func TestServingAsksAgain(t *testing.T) {
	h := newHarness(t, newPool(), newTemplate(), queued("x", 0), member("a", readySince(0)))
	h.start(t.Context())
	defer h.term()()
	h.eventually("asked in vain", h.door.wasAsked)
	h.door.offer("a")
	h.eventually("served", func() bool { return len(h.door.gave()) == 1 })
}

func TestServeIsAHint(t *testing.T) {
	h := newHarness(t, newPool(), newTemplate(), queued("x", 0), member("a", readySince(time.Hour)))
	h.Serve(python) // between terms it does nothing
	h.start(t.Context())
	defer h.term()()
	h.eventually("asked in vain", h.door.wasAsked)
	h.door.offer("a")
	h.Serve(python)
	h.eventually("served long before the next look", func() bool { return len(h.door.gave()) == 1 })
}

func TestPoolsAndTemplatesThatComeAndGo(t *testing.T) {
	h := newHarness(t, queued("x", 0))
	h.start(t.Context())
	defer h.term()()
	h.eventually("no pool", h.bound("x", "False/PoolNotFound"))
	h.create(newPool())
	h.eventually("no template", h.bound("x", "False/TemplateNotFound"))
	h.create(newTemplate())
	h.eventually("waiting", h.bound("x", "False/WaitingForSandbox"))

	api := h.server.SandboxV1beta1()
	require.NoError(t, api.SandboxTemplates("team").Delete(t.Context(), "shell", metav1.DeleteOptions{}))
	h.eventually("no template any more", h.bound("x", "False/TemplateNotFound"))
	other := newTemplate()
	other.Name = "bash"
	h.create(other)
	_, err := api.SandboxWarmPools("team").Update(t.Context(), newPool(func(p *v1beta1.SandboxWarmPool) {
		p.Generation, p.Spec.SandboxTemplateRef.Name = 2, "bash"
	}), metav1.UpdateOptions{})
	require.NoError(t, err)
	h.eventually("another template", h.bound("x", "False/WaitingForSandbox"))
	require.NoError(t, api.SandboxWarmPools("team").Delete(t.Context(), "python", metav1.DeleteOptions{}))
	h.eventually("no pool any more", h.bound("x", "False/PoolNotFound"))
}

func TestOneControllerServesSeveralTerms(t *testing.T) {
	h := newHarness(t, newPool(), newTemplate(), newClaim(), newSandbox(), newClaim(named("other")), queued("x", 0))
	h.store(newSandbox(sandboxNamed("python-other"), claimedBy("other", "uid-other")))
	h.start(t.Context())
	h.term()()

	api := h.server.SandboxV1beta1()
	require.NoError(t, api.SandboxClaims("team").Delete(t.Context(), "mine", metav1.DeleteOptions{}))
	h.door.offer("a")
	h.create(member("a"))
	assert.NotNil(t, h.sandbox("python-abc"), "nobody works between terms")

	end := h.term()
	h.eventually("freed, though the deletion was nobody's event", func() bool { return h.sandbox("python-abc") == nil })
	h.eventually("served, though nothing happened", func() bool { return len(h.door.gave()) == 1 })
	require.NoError(t, api.SandboxClaims("team").Delete(t.Context(), "other", metav1.DeleteOptions{}))
	h.eventually("freed at once", func() bool { return h.sandbox("python-other") == nil })
	end()
	assert.Equal(t, []string{"x=a"}, h.door.gave())
}

func TestSeeds(t *testing.T) {
	h := newHarness(t).cache(newClaim(), queued("x", 0), newPool(), member("a"),
		newSandbox(sandboxNamed("python-old"), claimedBy("gone", "uid-gone")))
	assert.ElementsMatch(t, []worker.Key{mine, {Namespace: "team", Name: "x"}, {Namespace: "team", Name: "gone"}}, h.seedClaims())
	assert.Equal(t, []worker.Key{python}, h.seedPools())
}

func TestWhatHappensToTheSandboxIsNoticed(t *testing.T) {
	h := newHarness(t, newClaim(cold), newSandbox(silent))
	h.start(t.Context())
	defer h.term()()
	api := h.server.SandboxV1beta1().Sandboxes("team")
	_, err := api.UpdateStatus(t.Context(), newSandbox(), metav1.UpdateOptions{})
	require.NoError(t, err)
	h.eventually("Ready", func() bool { return h.conditions()["Ready"] == "True/DependenciesReady" })
	require.NoError(t, api.Delete(t.Context(), "python-abc", metav1.DeleteOptions{}))
	h.eventually("lost", h.bound("mine", "False/SandboxLost"))
}

func TestRunWithoutInformers(t *testing.T) {
	h := newHarness(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.start(ctx)
	require.True(t, cache.WaitForCacheSync(ctx.Done(), h.Claims.Informer().HasSynced))
	cancel()
	h.eventually("stopped", h.Claims.Informer().IsStopped)
	h.Controller.Run(t.Context()) // returns
}

func TestTombstonesCount(t *testing.T) {
	var got []string
	handler := each(func(claim *v1beta1.SandboxClaim) { got = append(got, claim.Name) })
	handler.OnAdd(newClaim(), false)
	handler.OnUpdate(nil, newClaim())
	handler.OnDelete(newClaim())
	handler.OnDelete(cache.DeletedFinalStateUnknown{Key: "team/mine", Obj: newClaim()})
	handler.OnDelete(cache.DeletedFinalStateUnknown{Key: "team/mine"})
	assert.Len(t, got, 4)
}
