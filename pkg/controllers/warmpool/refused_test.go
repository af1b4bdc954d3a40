// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func failing(err error) clienttesting.ReactionFunc {
	return func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, err }
}

// quota lets n Sandboxes exist.
func (h *harness) quota(n int) {
	h.server.refuse = func(s *v1beta1.Sandbox) fault {
		if len(h.server.objects[sandboxes]) < n {
			return fault{}
		}
		return fault{err: apierrors.NewForbidden(v1beta1.Resource(sandboxes), s.Name, fmt.Errorf("exceeded quota: used %d", n))}
	}
}

func TestRefusedCreatesAreTriedOneAtATime(t *testing.T) {
	h := newSyncedHarness(t, newPool(100), newTemplate("v1"))
	h.quota(0)
	var waits []time.Duration
	for range 9 {
		wait := h.mustSync()
		assert.Equal(t, []string{"create"}, h.writes(), "one, not a hundred")
		waits = append(waits, wait/time.Second)
		h.clock.Step(wait)
	}
	assert.Equal(t, []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60}, waits)
	assert.Equal(t, "False/FailedCreate", h.condition(v1beta1.ConditionProgressing))
	assert.Equal(t, `creating a Sandbox: sandboxes.sandbox.agents.x-k8s.io "warm-*" is forbidden: exceeded quota: used 0`,
		h.message())
	assert.Len(t, h.recorded(), 1, "told once")

	h.quota(1000)
	h.settle()
	assert.Len(t, h.live(), 100)
	assert.NotEqual(t, "False/FailedCreate", h.condition(v1beta1.ConditionProgressing))
}

// However many events there are: the next try has its time.
func TestEventsDoNotShortenTheBackoff(t *testing.T) {
	h := newSyncedHarness(t, newPool(3), newTemplate("v1"), members(1, 2, isUp))
	h.quota(2)
	h.settle()
	h.writes()
	for range 50 {
		h.change("warm-1", isUp)
		h.catchUp(len(h.server.log))
		assert.Positive(t, h.mustSync())
	}
	assert.Empty(t, h.writes())
}

func TestAChangeOfPoolOrTemplateIsTriedAtOnce(t *testing.T) {
	h := newSyncedHarness(t, newPool(1), newTemplate("v1"))
	h.quota(0)
	h.mustSync()
	h.mustSync()
	require.Len(t, h.writes(), 1)

	h.changePool(func(p *v1beta1.SandboxWarmPool) { *p.Spec.Replicas = 2 })
	h.catchUp(len(h.server.log))
	h.mustSync()
	assert.Len(t, h.writes(), 1)

	h.server.store(templates, "MODIFIED", newTemplate("v2"))
	h.catchUp(len(h.server.log))
	h.mustSync()
	assert.Len(t, h.writes(), 1)
}

func TestPartOfAPoolIsBetterThanNone(t *testing.T) {
	h := newSyncedHarness(t, newPool(20), newTemplate("v1"))
	h.quota(5)
	for range 10 {
		h.catchUp(len(h.server.log))
		h.clock.Step(h.mustSync())
	}
	assert.Len(t, h.live(), 5)
	assert.EqualValues(t, 5, h.pool().Status.Replicas)
	assert.Equal(t, "False/FailedCreate", h.condition(v1beta1.ConditionProgressing))
}

func TestAFailedDeleteIsNoVacancy(t *testing.T) {
	h := newSyncedHarness(t, newPool(2, withStrategy(recreate)), newTemplate("v2"), members(1, 2, isUp))
	h.client.PrependReactor("delete", sandboxes, failing(errors.New("connection reset")))
	_, err := h.sync(t.Context(), warm)
	require.Error(t, err)
	assert.Equal(t, []string{"warm-1", "warm-2"}, h.live(), "nothing in place of what may still be there")
}

func TestWhichAnswersAreRefusals(t *testing.T) {
	resource := v1beta1.Resource(sandboxes)
	assert.True(t, refused(apierrors.NewForbidden(resource, "x", errors.New("quota"))))
	assert.True(t, refused(apierrors.NewInvalid(v1beta1.SchemeGroupVersion.WithKind("Sandbox").GroupKind(), "x", nil)))
	assert.True(t, refused(apierrors.NewNotFound(resource, "x")))
	assert.True(t, refused(apierrors.NewTooManyRequests("later", 1)))
	assert.True(t, refused(errNotSent))
	assert.False(t, refused(apierrors.NewInternalError(errors.New("webhook"))))
	assert.False(t, refused(apierrors.NewTimeoutError("too slow", 1)))
	assert.False(t, refused(apierrors.NewServiceUnavailable("starting")))
	assert.False(t, refused(errors.New("connection reset")))
}

func TestBatches(t *testing.T) {
	var mu sync.Mutex
	var running, most atomic.Int32
	var calls []int
	do := func(failAt int) func(int) error {
		return func(i int) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, i)
			if i == failAt {
				return fmt.Errorf("number %d", i)
			}
			return nil
		}
	}
	yielded := 0
	c := &Controller{Options: Options{Yield: func(context.Context) { yielded++ }}}
	require.NoError(t, c.inBatches(t.Context(), 300, do(-1)))
	assert.Len(t, calls, 300)
	assert.Equal(t, 10, yielded, "between 1, 2, 4, 8, 16, 32, four times 50, and the rest")
	assert.LessOrEqual(t, most.Load(), int32(maxParallel))

	calls = nil
	require.NoError(t, c.inBatches(t.Context(), 0, do(-1)))
	assert.Empty(t, calls)

	require.EqualError(t, c.inBatches(t.Context(), 300, do(0)), "number 0")
	assert.Len(t, calls, 1)

	calls = nil
	require.EqualError(t, c.inBatches(t.Context(), 300, do(5)), "number 5")
	assert.ElementsMatch(t, []int{0, 1, 2, 3, 4, 5, 6}, calls, "one, two, four, and no more")
}
