// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	clienttesting "k8s.io/client-go/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestAPoolIsFilled(t *testing.T) {
	h := newSyncedHarness(t, newPool(3), newTemplate("v1"))
	h.mustSync()

	assert.Equal(t, []string{"create", "create", "create"}, h.writes())
	for _, name := range h.live() {
		assert.True(t, strings.HasPrefix(name, "warm-"))
		assert.Len(t, name, len("warm-")+suffixLength)
		assert.Empty(t, h.sandbox(name).GenerateName)
	}
	assert.Equal(t, "True/Filling", h.condition(v1beta1.ConditionProgressing))
	assert.EqualValues(t, 2, h.pool().Status.ObservedGeneration)

	h.settle()
	assert.Empty(t, h.writes(), "made once")
	assert.EqualValues(t, 3, h.pool().Status.Replicas)
	for _, name := range h.live() {
		h.change(name, isUp)
	}
	h.settle()
	assert.Equal(t, "True/Complete", h.condition(v1beta1.ConditionProgressing))
	assert.Equal(t, "True/ReplicasReady", h.condition(v1beta1.ConditionAvailable))
	assert.Empty(t, h.recorded(), "nothing to hear about")
}

func TestLongPoolNamesGiveValidNames(t *testing.T) {
	name := nextName(nil, 0, strings.Repeat("a", 57)+"-")
	assert.Len(t, name, maxName)
	assert.Empty(t, utilvalidation.IsDNS1123Label(name))
	assert.Equal(t, "warm-before", nextName([]string{"warm-before"}, 0, "warm-"))
	one, other := nextName(nil, 0, "warm-"), nextName(nil, 0, "warm-")
	assert.NotEqual(t, one, other)
}

func TestADrawnSandboxIsReplacedAndLeftAlone(t *testing.T) {
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"), members(1, 2, isUp))
	h.settle()
	h.change("warm-1", isClaimed)
	h.catchUp(1)
	h.writes()
	h.mustSync()
	assert.Equal(t, []string{"create"}, h.writes())
	h.settle()
	assert.Len(t, h.live(), 2)
	assert.NotNil(t, h.sandbox("warm-1").Spec.ClaimRef)
}

func TestScalingFollowsTheLivePool(t *testing.T) {
	h := newSyncedHarness(t, newPool(5), newTemplate("v1"))
	h.changePool(func(p *v1beta1.SandboxWarmPool) { *p.Spec.Replicas = 2 })
	h.mustSync()
	assert.Len(t, h.live(), 2, "the cache says five, nobody asks for them any more")

	h.changePool(func(p *v1beta1.SandboxWarmPool) { *p.Spec.Replicas = 0 })
	h.settle()
	assert.Empty(t, h.live())
	assert.EqualValues(t, 0, h.pool().Status.Replicas)
}

func TestAPoolThatIsGoneMakesNothing(t *testing.T) {
	t.Run("deleted", func(t *testing.T) {
		h := newSyncedHarness(t, newPool(2), newTemplate("v1"))
		require.NoError(t, h.server.delete(pools, warm, nil))
		h.mustSync()
		assert.Empty(t, h.writes())
	})
	t.Run("and made anew", func(t *testing.T) {
		h := newSyncedHarness(t, newPool(2), newTemplate("v1"))
		require.NoError(t, h.server.delete(pools, warm, nil))
		h.put(pools, newPool(2, func(p *v1beta1.SandboxWarmPool) { p.UID = "uid-after" }))
		h.mustSync()
		assert.Empty(t, h.writes())
	})
	t.Run("being deleted", func(t *testing.T) {
		h := newSyncedHarness(t, newPool(1, withPoolDeletion), newTemplate("v1"), members(1, 3, hasEnded))
		h.mustSync()
		assert.Empty(t, h.writes(), "the garbage collector does it")
	})
}

func TestMembersOfAnEarlierPoolAreNotMine(t *testing.T) {
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"))
	h.mustSync()
	require.NoError(t, h.server.delete(pools, warm, nil))
	h.put(pools, newPool(3, func(p *v1beta1.SandboxWarmPool) { p.UID = "uid-after" }))
	h.settle()
	assert.Len(t, h.live(), 3)
	assert.Len(t, h.server.objects[sandboxes], 5, "those of the earlier one are the collector's")
}

func TestTemplateMissing(t *testing.T) {
	h := newSyncedHarness(t, newPool(2, withStrategy(recreate)), members(1, 1, isUp, isOld))
	h.settle()
	assert.Empty(t, h.writes())
	assert.Equal(t, "False/TemplateNotFound", h.condition(v1beta1.ConditionProgressing))
	assert.Equal(t, `SandboxTemplate "python" does not exist: no Sandbox can be made, those that exist stay`, h.message())
	assert.Len(t, h.recorded(), 1)

	h.put(templates, newTemplate("v1"))
	h.settle()
	assert.Equal(t, []string{"warm-1"}, h.deletes())
	assert.Len(t, h.live(), 2)
}

func TestTemplateChanges(t *testing.T) {
	tests := map[string]struct {
		strategy v1beta1.SandboxWarmPoolUpdateStrategy
		deleted  int
		stale    int32
	}{
		"OnReplenish":   {v1beta1.SandboxWarmPoolUpdateStrategy{Type: v1beta1.OnReplenishStrategy}, 0, 4},
		"Recreate":      {recreate, 4, 0},
		"RollingUpdate": {rolling(intstr.FromString("50%")), 2, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, newPool(4, withStrategy(test.strategy)), newTemplate("v2"), members(1, 4, isUp))
			h.settle()
			assert.Len(t, h.deletes(), test.deleted)
			assert.Len(t, h.live(), 4)
			assert.Equal(t, test.stale, h.pool().Status.StaleReplicas)
		})
	}
}

func TestRollingUpdateEnds(t *testing.T) {
	h := newSyncedHarness(t, newPool(4, withStrategy(rolling(intstr.FromInt32(1)))), newTemplate("v2"), members(1, 4, isUp))
	for range 6 {
		h.settle()
		up := 0
		for _, name := range h.live() {
			if isReadyNow(h.sandbox(name)) {
				up++
			}
		}
		assert.GreaterOrEqual(t, up, 3)
		for _, name := range h.live() {
			h.change(name, isUp)
		}
	}
	assert.Zero(t, h.pool().Status.StaleReplicas)
	assert.Equal(t, "True/Complete", h.condition(v1beta1.ConditionProgressing))
}

// Of two tries the claim's is the first: the delete must not be done.
func TestASandboxClaimedAMomentAgoIsNotDeleted(t *testing.T) {
	h := newSyncedHarness(t, newPool(1), newTemplate("v1"), members(1, 2, isUp))
	h.change("warm-2", isClaimed)

	_, err := h.sync(t.Context(), warm)
	require.Error(t, err, "a conflict: tried again, quietly")
	assert.Nil(t, h.sandbox("warm-2").DeletionTimestamp)
	h.settle()
	assert.Equal(t, []string{"warm-1"}, h.live(), "with the claim there is no surplus")
}

func TestDeletedMembersDoNotCount(t *testing.T) {
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"), members(1, 1, isUp), members(2, 1, isUp, isDeleted))
	h.settle()
	assert.Len(t, h.live(), 2)
	assert.EqualValues(t, 2, h.pool().Status.Replicas)
}

// A deletion that the cache has not seen is not asked for again, nor in place of it another one.
func TestDeletesAreRemembered(t *testing.T) {
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"), members(1, 4, isUp))
	h.mustSync()
	assert.Equal(t, []string{"warm-3", "warm-4"}, h.deletes())
	for range 3 {
		h.mustSync()
	}
	assert.Empty(t, h.writes())
	h.settle()
	assert.Equal(t, []string{"warm-1", "warm-2"}, h.live())
}

func TestStatusWritesAreFew(t *testing.T) {
	h := newSyncedHarness(t, newPool(100), newTemplate("v1"))
	writes := func() int {
		n := 0
		for _, action := range h.client.Actions() {
			if action.GetVerb() == "update" && action.GetSubresource() == "status" {
				n++
			}
		}
		return n
	}
	h.mustSync()
	require.Equal(t, 1, writes(), "the answer to a new generation does not wait")
	names := h.live()
	for i := range 100 { // five seconds, a member Ready every 50 ms
		h.clock.Step(50 * time.Millisecond)
		h.change(names[i], isUp)
		h.catchUp(len(h.server.log))
		h.mustSync()
	}
	assert.LessOrEqual(t, writes(), 11, "two a second")
	assert.GreaterOrEqual(t, writes(), 8)
	h.settle()
	assert.EqualValues(t, 100, h.pool().Status.ReadyReplicas, "and the last one is not forgotten")
}

func TestAStatusThatDiffersComesBack(t *testing.T) {
	h := newSyncedHarness(t, newPool(1), newTemplate("v1"), members(1, 1, isUp))
	h.settle()
	h.change("warm-1", isLagging)
	h.catchUp(1)
	assert.Equal(t, statusInterval, h.mustSync(), "later")
	h.clock.Step(statusInterval)
	assert.Zero(t, h.mustSync())
	assert.Zero(t, h.pool().Status.ReadyReplicas)
}

func TestALargePoolIsFilledInParts(t *testing.T) {
	h := newSyncedHarness(t, newPool(maxPerSync+10), newTemplate("v1"))
	assert.Equal(t, moreWork, h.mustSync())
	assert.Len(t, h.live(), maxPerSync)
	h.settle()
	assert.Len(t, h.live(), maxPerSync+10)

	h.changePool(func(p *v1beta1.SandboxWarmPool) { *p.Spec.Replicas = 1 })
	h.catchUp(len(h.server.log))
	assert.Equal(t, moreWork, h.mustSync())
	h.settle()
	assert.Len(t, h.live(), 1)
}

func TestFailuresAreReplacedWithABrake(t *testing.T) {
	h := newSyncedHarness(t, newPool(1), newTemplate("v1"))
	replaced := 0
	for range 600 { // ten minutes in which whatever is made ends at once
		h.catchUp(len(h.server.log))
		h.mustSync()
		replaced += len(h.deletes())
		for _, name := range h.live() {
			if !isFinished(h.sandbox(name)) {
				h.change(name, hasEnded)
			}
		}
		h.clock.Step(time.Second)
	}
	assert.InDelta(t, 7, replaced, 1, "after 0, 10, 30, 70, 150, 310 s, then every five minutes")
	assert.Equal(t, "False/SandboxesFail", h.condition(v1beta1.ConditionProgressing))
	assert.Contains(t, h.message(), "it exited with code 0")
	assert.Len(t, h.live(), 1)
}

func TestPreconditionsOfADelete(t *testing.T) {
	h := newSyncedHarness(t, newPool(0), newTemplate("v1"), members(1, 1, isUp))
	h.mustSync()
	assert.Equal(t, []string{"delete warm-1 uid=uid-warm-1 rv=3"}, h.writes())
}

func TestTheStatusOfAStrangerIsRepaired(t *testing.T) {
	h := newSyncedHarness(t, newPool(1), newTemplate("v1"), members(1, 1, isUp))
	h.settle()
	pool := h.pool()
	pool.Status.Replicas = 77
	_, err := h.client.SandboxV1beta1().SandboxWarmPools("team").UpdateStatus(t.Context(), pool, metav1.UpdateOptions{})
	require.NoError(t, err)
	h.settle()
	assert.EqualValues(t, 1, h.pool().Status.Replicas)
}

// reads are the live reads of pools and Sandboxes.
func (h *harness) reads() int {
	n := 0
	for _, action := range h.client.Actions() {
		if _, ok := action.(clienttesting.GetActionImpl); ok || action.GetVerb() == "list" {
			n++
		}
	}
	return n
}

func TestAFullPoolCostsNothing(t *testing.T) {
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"), members(1, 2, isUp))
	h.settle()
	h.client.ClearActions()
	assert.Zero(t, h.mustSync())
	assert.Zero(t, h.reads())
	assert.Empty(t, h.writes())
}
