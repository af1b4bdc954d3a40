// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/metrics/testutil"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// afterLoss is a harness whose store was restored, which was confirmed a minute ago. What
// newMember makes is of before that.
func afterLoss(t *testing.T, objects ...any) *harness {
	t.Helper()
	h := newSyncedHarness(t, objects...)
	h.loseAt(now.Add(-time.Minute))
	return h
}

func (h *harness) loseAt(loss time.Time) {
	h.Withheld = func(made time.Time) bool { return !made.Truncate(time.Second).After(loss) }
}

// upThere makes all members that are not withheld Ready.
func (h *harness) upThere() {
	h.Helper()
	for _, name := range h.live() {
		if !h.Withheld(h.sandbox(name).CreationTimestamp.Time) {
			h.change(name, isUp)
		}
	}
	h.settle()
}

// TestWhatMayBeInUseStays: whatever a pool does to its members it does not do to one that a
// claim may have drawn which the store has lost.
func TestWhatMayBeInUseStays(t *testing.T) {
	three := intstr.FromInt32(3)
	tests := map[string]struct {
		pool *v1beta1.SandboxWarmPool
		old  sandboxChange
	}{
		"full":            {newPool(3), isUp},
		"too many":        {newPool(1), isUp},
		"to zero":         {newPool(0), isUp},
		"not Ready":       {newPool(3), isDown},
		"unschedulable":   {newPool(3), isUnschedulable},
		"they have ended": {newPool(3), hasEnded},
		"stale, Recreate": {newPool(3, withStrategy(recreate)), func(s *v1beta1.Sandbox) {
			isUp(s)
			isOld(s)
		}},
		"stale, RollingUpdate": {newPool(3, withStrategy(rolling(three))), func(s *v1beta1.Sandbox) {
			isDown(s)
			isOld(s)
		}},
		"stale, OnReplenish": {newPool(3), isOld},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := afterLoss(t, test.pool, newTemplate("v1"), members(1, 3, test.old))
			h.settle()
			h.upThere()
			assert.Empty(t, h.deletes())
			asked := int(*test.pool.Spec.Replicas)
			assert.Len(t, h.live(), 3+asked, "the pool has made all that it asks for")
			status := h.pool().Status
			assert.EqualValues(t, asked, status.Replicas)
			assert.EqualValues(t, asked, status.ReadyReplicas)
			assert.EqualValues(t, 0, status.StaleReplicas)
			assert.Equal(t, "True/Complete", h.condition(v1beta1.ConditionProgressing))
			assert.Equal(t, "True/ReplicasReady", h.condition(v1beta1.ConditionAvailable))
			assert.Equal(t, "True/LossConfirmed", h.condition(v1beta1.ConditionWithheld))

			h.changePool(func(p *v1beta1.SandboxWarmPool) { *p.Spec.Replicas = 0 })
			h.settle()
			assert.Len(t, h.live(), 3, "its own go, and only they")
			assert.Len(t, h.deletes(), asked)
		})
	}
}

func TestANewLeaderDoesNotCountWhatIsWithheld(t *testing.T) {
	h := afterLoss(t, newPool(3), newTemplate("v1"), members(1, 3, isUp))
	h.settle()
	h.upThere()
	h.writes()
	h.newTerm()
	h.relist()
	h.changePool(func(p *v1beta1.SandboxWarmPool) { *p.Spec.Replicas = 4 })
	h.settle()
	assert.Equal(t, []string{"create"}, h.writes())
}

// The list of a new leader has what its cache has not.
func TestAStaleCacheDoesNotMakeWhatIsWithheldCount(t *testing.T) {
	h := newHarness(t, newPool(3), newTemplate("v1"))
	h.loseAt(now.Add(-time.Minute))
	h.catchUp(len(h.server.log))
	for _, member := range members(1, 3, isUp) {
		h.put(sandboxes, member)
	}
	h.mustSync()
	assert.Equal(t, []string{"create", "create", "create"}, h.writes())
}

func TestWithheldOnesAreReported(t *testing.T) {
	registerMetrics()
	gauge := func() string {
		var text strings.Builder
		families, err := legacyregistry.DefaultGatherer.Gather()
		require.NoError(t, err)
		for _, family := range families {
			if family.GetName() == "sandbox_apiserver_warmpool_withheld_replicas" {
				_, err = testutil.MetricFamilyToText(&text, family)
				require.NoError(t, err)
			}
		}
		return text.String()
	}
	told := func(h *harness) []string {
		return slices.DeleteFunc(h.recorded(), func(text string) bool { return !strings.HasPrefix(text, "Warning LossConfirmed ") })
	}
	h := afterLoss(t, newPool(1), newTemplate("v1"), members(1, 2, isUp))
	h.settle()
	assert.Contains(t, gauge(), `{namespace="team",pool="warm"} 2`)
	condition := meta.FindStatusCondition(h.pool().Status.Conditions, v1beta1.ConditionWithheld)
	require.NotNil(t, condition)
	assert.Contains(t, condition.Message, "2 Sandboxes")
	assert.Contains(t, condition.Message, v1beta1.ClaimLabel)
	assert.EqualValues(t, 2, condition.ObservedGeneration)
	assert.Len(t, told(h), 1)

	drop := func(name string) {
		require.NoError(t, h.server.delete(sandboxes, worker.Key{Namespace: "team", Name: name}, nil))
		h.settle()
	}
	drop("warm-1")
	assert.Contains(t, gauge(), `{namespace="team",pool="warm"} 1`)
	assert.Empty(t, told(h), "it is known")
	drop("warm-2")
	assert.Contains(t, gauge(), `{namespace="team",pool="warm"} 0`)
	assert.Equal(t, "False/NoneWithheld", h.condition(v1beta1.ConditionWithheld))
	assert.Empty(t, told(h))
}

func TestNothingIsSaidWhereNothingWasLost(t *testing.T) {
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"), members(1, 2, isUp))
	h.settle()
	assert.Empty(t, h.condition(v1beta1.ConditionWithheld))
	assert.Empty(t, h.recorded())
	assert.Len(t, h.live(), 2)
}

// TestNothingIsMadeInTheSecondOfTheLoss: it would be taken for one of before the loss, and so
// would its successors, for as long as a clock that is behind says that it is before the loss.
func TestNothingIsMadeInTheSecondOfTheLoss(t *testing.T) {
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"))
	h.loseAt(now.Add(time.Second))
	h.clock.Step(1500 * time.Millisecond)
	h.mustSync()
	assert.Empty(t, h.writes())
	h.catchUp(len(h.server.log))
	h.clock.Step(400 * time.Millisecond)
	assert.Equal(t, time.Second, h.mustSync(), "nothing else has it looked at again")
	assert.Empty(t, h.writes())
	assert.Equal(t, "True/Filling", h.condition(v1beta1.ConditionProgressing))
	assert.Contains(t, h.message(), "clock")
	h.clock.Step(100 * time.Millisecond)
	h.mustSync()
	assert.Equal(t, []string{"create", "create"}, h.writes())
	h.settle()
	assert.Empty(t, h.writes(), "they count")
}

// TestAWithheldOneThatBecomesReadyIsNoRefill: it fills no place that a claim has left.
func TestAWithheldOneThatBecomesReadyIsNoRefill(t *testing.T) {
	h := afterLoss(t, newPool(1), newTemplate("v1"), members(1, 1, isDown))
	h.settle()
	h.refills.drawn(warm, now)
	h.change("warm-1", isUp)
	h.catchUp(len(h.server.log))
	assert.Len(t, h.refills.open[warm], 1)
}
