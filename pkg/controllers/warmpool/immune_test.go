// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/intstr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// The lines about pools of the list of known failures of such systems.

// "20,000 asked, 90–110 thousand made (no expectations over a stale cache)".
func TestImmuneTwentyThousandAskedOverAStaleCache(t *testing.T) {
	const asked = 20_000
	h := newSyncedHarness(t, newPool(asked), newTemplate("v1"))
	for range asked/maxPerSync + 5 { // the cache never sees any of them
		h.mustSync()
	}
	assert.Len(t, h.live(), asked)
}

// "a cold restart of the leader makes it again".
func TestImmuneColdRestartOfTheLeader(t *testing.T) {
	h := newSyncedHarness(t, newPool(1200), newTemplate("v1"))
	for range 12 { // each dies after one sync; the caches of all are empty
		h.mustSync()
		h.newTerm()
	}
	assert.Len(t, h.live(), 1200)
}

// "replicas: 2147483647 accepted: a Pod storm by a user who may not create Pods". The
// API refuses it (validation, --max-pool-replicas). Were it there, it would be made in
// parts, each after a look at the pool.
func TestImmuneHugePoolIsNoStorm(t *testing.T) {
	h := newSyncedHarness(t, newPool(math.MaxInt32), newTemplate("v1"))
	h.mustSync()
	assert.Len(t, h.live(), maxPerSync)
	h.changePool(func(p *v1beta1.SandboxWarmPool) { *p.Spec.Replicas = 1 })
	h.mustSync()
	assert.Len(t, h.live(), maxPerSync, "though the cache has not heard of the change")
}

// "a pool that cannot fill (image, quota, unschedulable, webhook) says nothing; hot-loops".
func TestImmunePoolThatCannotFillSaysWhyAndDoesNotLoop(t *testing.T) {
	refused := func(err error) func(*harness) {
		return func(h *harness) { h.server.refuse = func(*v1beta1.Sandbox) fault { return fault{err: err} } }
	}
	resource := v1beta1.Resource(sandboxes)
	tests := map[string]struct {
		prepare func(*harness)
		members sandboxChange
		reason  string
		says    string
		most    int // writes to Sandboxes in ten minutes
	}{
		"image":         {func(*harness) {}, isDown, reasonSandboxesFail, "ImagePullBackOff", 4 + 20},
		"unschedulable": {func(*harness) {}, isUnschedulable, reasonSandboxesBlocked, "no node", 4},
		"quota of Pods": {func(*harness) {}, isRefused, reasonSandboxesBlocked, "exceeded quota", 4},
		"quota": {
			refused(apierrors.NewForbidden(resource, "x", errors.New("exceeded quota: small"))), nil, reasonFailedCreate, "exceeded quota: small", 18,
		},
		"webhook says no": {
			refused(apierrors.NewForbidden(resource, "x", errors.New("admission webhook denied"))), nil, reasonFailedCreate, "webhook denied", 18,
		},
		"webhook is away": {
			refused(apierrors.NewInternalError(errors.New("failed calling webhook"))), nil, reasonFailedCreate, "failed calling webhook", 18,
		},
		"invalid": {
			refused(apierrors.NewInvalid(v1beta1.SchemeGroupVersion.WithKind("Sandbox").GroupKind(), "x", nil)), nil, reasonFailedCreate, "is invalid", 18,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, newPool(4), newTemplate("v1"))
			test.prepare(h)
			for range 700 { // more than ten minutes, with an event every second
				h.catchUp(len(h.server.log))
				h.mustSync()
				h.reportMembers(test.members)
				h.clock.Step(time.Second)
			}
			assert.Equal(t, "False/"+test.reason, h.condition(v1beta1.ConditionProgressing))
			assert.Equal(t, "False/"+reasonReplicasNotReady, h.condition(v1beta1.ConditionAvailable))
			assert.Contains(t, h.message(), test.says)
			assert.LessOrEqual(t, len(h.writes()), test.most)
			assert.NotEmpty(t, h.recorded())
		})
	}
}

// reportMembers is what the sandbox controller says of members that have no status yet.
func (h *harness) reportMembers(f sandboxChange) {
	for _, name := range h.live() {
		if len(h.sandbox(name).Status.Conditions) == 0 {
			h.change(name, f)
		}
	}
}

// "an unowned Sandbox with the right labels counted, claimed or deleted as a member".
func TestImmuneUnownedSandboxWithTheRightLabels(t *testing.T) {
	strangers := members(10, 3, isUp, isUnowned)
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"), members(1, 1, isUp), strangers)
	h.settle()
	assert.Len(t, h.live(), 2, "they do not count")
	assert.EqualValues(t, 2, h.pool().Status.Replicas)

	h.changePool(func(p *v1beta1.SandboxWarmPool) { *p.Spec.Replicas = 0 })
	h.settle()
	assert.Empty(t, h.live())
	for _, stranger := range strangers {
		assert.Nil(t, h.sandbox(stranger.Name).DeletionTimestamp, "nor are they deleted")
	}
	var keys []worker.Key
	for _, stranger := range strangers {
		if key, ok := poolOf(stranger); ok {
			keys = append(keys, key)
		}
	}
	assert.Empty(t, keys, "nor do they wake the pool")
}

// "healthy members deleted because their observedGeneration lags".
func TestImmuneObservedGenerationLags(t *testing.T) {
	strategies := map[string]v1beta1.SandboxWarmPoolUpdateStrategy{
		"OnReplenish":   {Type: v1beta1.OnReplenishStrategy},
		"Recreate":      recreate,
		"RollingUpdate": rolling(intstr.FromInt32(1)),
	}
	for name, strategy := range strategies {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, newPool(3, withStrategy(strategy)), newTemplate("v1"), members(1, 3, isUp, isLagging))
			for range 10 {
				h.settle()
				h.clock.Step(unreadyGrace)
			}
			assert.Empty(t, h.writes())
			assert.Zero(t, h.pool().Status.ReadyReplicas, "they are not offered either")
		})
	}
}

// From the list of claims: "p50 falls the moment the pool drains; claims wait on a
// timer, not on an event". A draw wakes the pool that was drawn from, at once.
func TestImmuneRefillDoesNotWaitForATimer(t *testing.T) {
	h := newHarness(t, newPool(3), newTemplate("v1"), members(1, 3, isUp))
	end := h.start()
	defer end()
	h.eventually("a status", func() bool { return h.pool().Status.ReadyReplicas == 3 })
	for i := range 3 {
		h.change(fmt.Sprintf("warm-%d", i+1), isClaimed)
	}
	// The clock stands still: no delay, no interval, no back-off ends.
	h.eventually("a refill", func() bool { return len(h.live()) == 3 })
}
