// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/metrics/testutil"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	sandboxfake "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/fake"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions"
)

func TestOneControllerServesSeveralTerms(t *testing.T) {
	h := newHarness(t, newPool(2), newTemplate("v1"))
	end := h.start()
	h.eventually("filled", func() bool { return len(h.live()) == 2 })
	end()

	h.change(h.live()[0], isClaimed)
	assert.Len(t, h.live(), 1, "nobody works between terms")

	end = h.start()
	defer end()
	h.eventually("filled, though the draw was nobody's event", func() bool { return len(h.live()) == 2 })
}

func TestWhatHappensIsNoticed(t *testing.T) {
	h := newHarness(t, newPool(2, withStrategy(recreate)), newTemplate("v1"))
	defer h.start()()
	full := func() bool { return len(h.live()) == 2 }
	h.eventually("filled", full)
	first := h.live()[0]

	t.Run("a member is deleted", func(*testing.T) {
		h.server.mu.Lock()
		require.NoError(t, h.server.delete(sandboxes, worker.Key{Namespace: "team", Name: first}, nil))
		h.server.mu.Unlock()
		h.eventually("another one", full)
	})
	t.Run("a member ends", func(*testing.T) {
		ended := h.live()[0]
		h.change(ended, hasEnded)
		h.eventually("another one", func() bool { return full() && h.live()[0] != ended && h.live()[1] != ended })
	})
	t.Run("the template changes", func(*testing.T) {
		before := h.live()
		h.server.mu.Lock()
		h.server.store(templates, watch.Modified, newTemplate("v2"))
		h.server.mu.Unlock()
		h.eventually("others", func() bool { return full() && !strings.Contains(strings.Join(before, " "), h.live()[0]) })
	})
	t.Run("the pool changes", func(*testing.T) {
		h.changePool(func(p *v1beta1.SandboxWarmPool) { *p.Spec.Replicas = 5 })
		h.eventually("more", func() bool { return len(h.live()) == 5 })
		h.changePool(func(p *v1beta1.SandboxWarmPool) { *p.Spec.Replicas = 1 })
		h.eventually("fewer", func() bool { return len(h.live()) == 1 })
	})
}

func TestHandlerOfSandboxes(t *testing.T) {
	h := newHarness(t)
	handler := h.sandboxHandler()
	member := newMember(1)
	key := keyOf(member)
	expected := func() bool { return len(h.expectations.of(warm)) > 0 }
	expect := func() { h.expectations.expect(warm, member.Name, now) }
	for name, event := range map[string]func(){
		"added":          func() { handler.OnAdd(member, false) },
		"updated":        func() { handler.OnUpdate(newMember(1), newMember(1, isUp)) },
		"drawn":          func() { handler.OnUpdate(newMember(1), newMember(1, isClaimed)) },
		"deleted":        func() { handler.OnDelete(member) },
		"tombstone":      func() { handler.OnDelete(cache.DeletedFinalStateUnknown{Key: key.String(), Obj: member}) },
		"bare tombstone": func() { handler.OnDelete(cache.DeletedFinalStateUnknown{Key: key.String()}) },
	} {
		expect()
		event()
		assert.False(t, expected(), name)
	}
	expect()
	handler.OnDelete("nonsense")
	assert.True(t, expected())
}

func TestVacancies(t *testing.T) {
	assert.True(t, vacates(newMember(1), newMember(1, isDeleted)))
	assert.True(t, vacates(newMember(1), newMember(1, hasEnded)))
	assert.True(t, vacates(newMember(1), newMember(1, func(s *v1beta1.Sandbox) { s.UID = "uid-other" })))
	assert.False(t, vacates(newMember(1), newMember(1, isUp)))
	assert.False(t, vacates(newMember(1, isDeleted), newMember(1, isDeleted)))
}

func TestIndexByPool(t *testing.T) {
	values, err := indexByPool(newMember(1))
	require.NoError(t, err)
	assert.Equal(t, []string{"uid-pool"}, values)
	for _, other := range []any{newMember(1, isUnowned), newMember(1, isClaimed), "nonsense"} {
		values, err = indexByPool(other)
		require.NoError(t, err)
		assert.Empty(t, values)
	}
	h := newHarness(t)
	require.NoError(t, h.index(), "a second term finds it there")
}

// TestIndexBesideAnother fails under the race detector alone, in rounds in which the other is
// first: informers are shared, and every controller adds its indexes when a term begins.
func TestIndexBesideAnother(t *testing.T) {
	for range 50 {
		own := externalversions.NewSharedInformerFactory(sandboxfake.NewClientset(), 0).Sandbox().V1beta1()
		c := New(Options{PoolInformer: own.SandboxWarmPools(), TemplateInformer: own.SandboxTemplates(), SandboxInformer: own.Sandboxes()})
		informer := own.Sandboxes().Informer()
		var running sync.WaitGroup
		running.Go(func() { assert.NoError(t, c.index()) })
		running.Go(func() { assert.NoError(t, informer.AddIndexers(cache.Indexers{"another": indexByPool})) })
		running.Wait()
	}
}

func TestMetrics(t *testing.T) {
	registerMetrics()
	sizes := func() string {
		var text strings.Builder
		families, err := legacyregistry.DefaultGatherer.Gather()
		require.NoError(t, err)
		for _, family := range families {
			if strings.HasPrefix(family.GetName(), "sandbox_apiserver_warmpool_") {
				_, err = testutil.MetricFamilyToText(&text, family)
				require.NoError(t, err)
			}
		}
		return text.String()
	}
	h := newSyncedHarness(t, newPool(3), newTemplate("v1"), members(1, 1, isUp), members(2, 1, isUp, isOld))
	h.settle()
	for _, line := range []string{
		`sandbox_apiserver_warmpool_desired_replicas{namespace="team",pool="warm"} 3`,
		`sandbox_apiserver_warmpool_ready_replicas{namespace="team",pool="warm"} 2`,
		`sandbox_apiserver_warmpool_stale_replicas{namespace="team",pool="warm"} 1`,
	} {
		assert.Contains(t, sizes(), line)
	}
	require.NoError(t, h.server.delete(pools, warm, nil))
	h.catchUp(len(h.server.log))
	h.mustSync()
	assert.NotContains(t, sizes(), `"warm"`, "a pool that is gone has no size")

	failing := v1beta1.SandboxWarmPoolStatus{Conditions: []metav1.Condition{{
		Type: v1beta1.ConditionProgressing, Status: metav1.ConditionFalse, Reason: reasonSandboxesFail,
	}}}
	setSizes(warm, see(3), failing)
	assert.Contains(t, sizes(), `sandbox_apiserver_warmpool_stuck{namespace="team",pool="warm",reason="SandboxesFail"} 1`)
	failing.Conditions[0].Reason = reasonFailedCreate
	setSizes(warm, see(3), failing)
	assert.Contains(t, sizes(), `reason="FailedCreate"} 1`)
	assert.NotContains(t, sizes(), "SandboxesFail\"", "it is stuck for one reason at a time")
	failing.Conditions[0].Status = metav1.ConditionTrue
	setSizes(warm, see(3), failing)
	assert.NotContains(t, sizes(), `reason="FailedCreate"`, "it has come loose")
	h.newTerm()
	assert.NotContains(t, sizes(), `"warm"`, "nor does a replica that does not lead tell any")
}

func TestRefillDuration(t *testing.T) {
	registerMetrics()
	measured := func() (n uint64, seconds float64) {
		histogram, err := testutil.GetHistogramVecFromGatherer(legacyregistry.DefaultGatherer, "sandbox_apiserver_warmpool_refill_duration_seconds", nil)
		require.NoError(t, err)
		return histogram.GetAggregatedSampleCount(), histogram.GetAggregatedSampleSum()
	}
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"), members(1, 2, isUp))
	h.settle()
	n, seconds := measured()
	h.change("warm-1", isClaimed)
	h.catchUp(len(h.server.log))
	h.mustSync()
	h.clock.Step(3 * time.Second)
	for _, name := range h.live() {
		h.change(name, isUp)
	}
	h.settle()
	count, sum := measured()
	assert.EqualValues(t, 1, count-n)
	assert.InDelta(t, 3, sum-seconds, 0.01)
	assert.Empty(t, h.refills.open)

	for range maxOpenRefills + 1 {
		h.refills.drawn(warm, now)
	}
	assert.Len(t, h.refills.open[warm], maxOpenRefills)
	h.refills.forget(warm)
	h.refills.refilled(warm, now)
	again, _ := measured()
	assert.Equal(t, count, again)
}
