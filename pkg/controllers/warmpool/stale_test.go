// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	sandboxclient "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/typed/sandbox/v1beta1"
)

// A leader that begins with a cache that knows of nothing asks before it makes.
func TestANewLeaderLooksBeforeItMakes(t *testing.T) {
	h := newSyncedHarness(t, newPool(5), newTemplate("v1"))
	for _, member := range members(1, 3, isUp) { // by the last leader, not in this cache
		h.put(sandboxes, member)
	}
	h.mustSync()
	assert.Equal(t, 1, h.lists())
	assert.Equal(t, []string{"create", "create"}, h.writes())
	h.mustSync()
	assert.Empty(t, h.writes(), "the cache still knows of nothing")
	h.settle()
	assert.Empty(t, h.writes())
	assert.Zero(t, h.lists(), "once a term is enough")
	assert.Len(t, h.live(), 5)
}

func TestANewLeaderLooksBeforeItDeletes(t *testing.T) {
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"), members(1, 3, isUp))
	require.NoError(t, h.server.delete(sandboxes, keyOf(newMember(3)), nil), "by the last leader")
	_, err := h.sync(t.Context(), warm)
	assert.True(t, apierrors.IsConflict(err), "it has changed: %v", err)
	assert.Equal(t, 1, h.lists())
	assert.Equal(t, []string{"warm-3"}, h.deletes(), "the same one again, and no other")
	h.settle()
	assert.Equal(t, []string{"warm-1", "warm-2"}, h.live())
}

func TestWhoHasNothingToDoDoesNotAsk(t *testing.T) {
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"), members(1, 2, isUp))
	h.settle()
	h.newTerm()
	h.client.ClearActions()
	h.settle()
	assert.Zero(t, h.reads())
}

func TestALeaderThatCannotAskMakesNothing(t *testing.T) {
	h := newSyncedHarness(t, newPool(2), newTemplate("v1"))
	h.client.PrependReactor("list", sandboxes, failing(errors.New("etcd is away")))
	_, err := h.sync(t.Context(), warm)
	require.Error(t, err)
	assert.Empty(t, h.writes())
}

func TestLostAnswers(t *testing.T) {
	tests := map[string]struct {
		fault fault
		err   error
		made  int // in all, when things are as they should be
	}{
		"it was made":     {fault{lands: true}, errors.New("connection reset"), 1},
		"it was not":      {fault{}, errors.New("connection reset"), 1},
		"it will be":      {fault{later: true}, apierrors.NewTimeoutError("too slow", 1), 1},
		"a webhook fails": {fault{}, apierrors.NewInternalError(errors.New("webhook")), 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newSyncedHarness(t, newPool(1), newTemplate("v1"))
			var asked []string
			h.server.refuse = func(s *v1beta1.Sandbox) fault {
				asked = append(asked, s.Name)
				if len(asked) > 1 {
					return fault{}
				}
				test.fault.err = test.err
				return test.fault
			}
			assert.Equal(t, minCreateDelay, h.mustSync())
			h.mustSync()
			assert.Len(t, asked, 1, "not before its time")

			h.clock.Step(minCreateDelay)
			h.mustSync()
			require.Len(t, asked, 2)
			assert.Equal(t, asked[0], asked[1], "under the same name")
			h.server.land()
			h.settle()
			assert.Equal(t, []string{asked[0]}, h.live())
			assert.Len(t, h.server.objects[sandboxes], test.made)
		})
	}
}

// The first answer is late, not lost: it must not make a second Sandbox when the
// first has come, been drawn and gone.
func TestALateCreateMakesNoSecondSandbox(t *testing.T) {
	h := newSyncedHarness(t, newPool(1), newTemplate("v1"))
	asked := 0
	h.server.refuse = func(*v1beta1.Sandbox) fault {
		asked++
		if asked == 1 {
			return fault{err: errors.New("connection reset"), later: true}
		}
		return fault{}
	}
	h.mustSync()
	h.clock.Step(minCreateDelay)
	h.mustSync()
	name := h.live()[0]
	h.change(name, isClaimed)
	require.NoError(t, h.server.delete(sandboxes, keyOf(h.sandbox(name)), nil))
	h.settle()
	assert.Empty(t, h.live(), "nothing in its place as long as it may come back")
	h.server.land()
	h.settle()
	assert.Equal(t, []string{name}, h.live())

	require.NoError(t, h.server.delete(sandboxes, keyOf(h.sandbox(name)), nil))
	h.clock.Step(lostAfter)
	h.settle()
	assert.Len(t, h.live(), 1, "it cannot come back any more")
	assert.NotContains(t, h.live(), name)
}

// A watch that starts again tells the difference, not what came and went.
func TestWhatCameAndWentUnseenIsReplaced(t *testing.T) {
	h := newSyncedHarness(t, newPool(1), newTemplate("v1"))
	h.mustSync()
	require.NoError(t, h.server.delete(sandboxes, keyOf(h.sandbox(h.live()[0])), nil))
	h.relist()
	assert.LessOrEqual(t, h.mustSync(), lostAfter)
	assert.Empty(t, h.live())
	h.clock.Step(lostAfter)
	h.mustSync()
	assert.Len(t, h.live(), 1)
}

// A list is dear: what it has answered is not asked again.
func TestDoubtsAreSettledOnce(t *testing.T) {
	h := newSyncedHarness(t, newPool(1), newTemplate("v1"))
	h.server.refuse = func(*v1beta1.Sandbox) fault { return fault{err: errors.New("connection reset"), lands: true} }
	h.mustSync()
	h.clock.Step(lostAfter)
	h.client.ClearActions()
	for range 5 { // the caches still have nothing
		_, _ = h.sync(t.Context(), warm)
		h.clock.Step(time.Second)
	}
	assert.Equal(t, 1, h.lists())
	assert.Empty(t, h.writes())
}

// Of two that may exist only one is wanted: it is not known which to ask for.
func TestFewerAreWantedThanMayExist(t *testing.T) {
	h := newSyncedHarness(t, newPool(4), newTemplate("v1"))
	h.server.refuse = func(*v1beta1.Sandbox) fault {
		if len(h.server.objects[sandboxes]) > 0 {
			return fault{err: errors.New("connection reset"), later: true}
		}
		return fault{}
	}
	h.mustSync()
	h.server.refuse = nil
	h.changePool(func(p *v1beta1.SandboxWarmPool) { *p.Spec.Replicas = 2 })
	h.settle()
	h.server.late = h.server.late[:1]
	h.server.land()
	h.settle()
	assert.Len(t, h.live(), 2)
}

func TestANameThatIsTakenIsLeftAlone(t *testing.T) {
	pool := newPool(1)
	require.NoError(t, ownedOrTaken(newMember(1), pool))
	require.NoError(t, ownedOrTaken(newMember(1, isClaimed), pool), "drawn at once")
	stranger := newMember(1, isUnowned, func(s *v1beta1.Sandbox) { s.Labels = nil })
	assert.ErrorIs(t, ownedOrTaken(stranger, pool), errTaken)

	h := newSyncedHarness(t, pool, newTemplate("v1"))
	first := true
	h.server.refuse = func(s *v1beta1.Sandbox) fault {
		if first {
			first = false
			_, err := h.server.insert(sandboxes, newMember(1, isUnowned, func(o *v1beta1.Sandbox) { o.Name, o.Labels = s.Name, nil }))
			require.NoError(t, err)
		}
		return fault{}
	}
	h.mustSync()
	assert.Empty(t, h.live())
	h.clock.Step(minCreateDelay)
	h.settle()
	assert.Len(t, h.live(), 1, "under another name")
}

// endingTerm ends a term at the first create, and keeps the contexts of creates.
type endingTerm struct {
	sandboxclient.SandboxesGetter
	end      context.CancelFunc
	contexts *[]context.Context
}

func (e endingTerm) Sandboxes(namespace string) sandboxclient.SandboxInterface {
	return endingTermIn{e.SandboxesGetter.Sandboxes(namespace), e}
}

type endingTermIn struct {
	sandboxclient.SandboxInterface
	endingTerm
}

func (e endingTermIn) Create(ctx context.Context, sandbox *v1beta1.Sandbox, options metav1.CreateOptions) (*v1beta1.Sandbox, error) {
	e.end()
	*e.contexts = append(*e.contexts, ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return e.SandboxInterface.Create(ctx, sandbox, options)
}

// What is cut off may still be done, after the next leader has counted.
func TestTheEndOfATermCutsNoCreateOff(t *testing.T) {
	h := newSyncedHarness(t, newPool(8), newTemplate("v1"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var contexts []context.Context
	h.Sandboxes = endingTerm{h.Sandboxes, cancel, &contexts}

	_, err := h.sync(ctx, warm)

	require.ErrorIs(t, err, errNotSent)
	require.Len(t, contexts, 1, "none is sent any more")
	deadline, ok := contexts[0].Deadline()
	require.True(t, ok, "nor waited for without end")
	assert.LessOrEqual(t, time.Until(deadline), createTimeout)
	assert.Len(t, h.live(), 1, "the one that was sent is done")
}

// The cache may show a Sandbox before the create is answered.
func TestTheCacheIsFasterThanTheAnswer(t *testing.T) {
	h := newSyncedHarness(t, newPool(1), newTemplate("v1"))
	h.server.refuse = func(s *v1beta1.Sandbox) fault {
		_, err := h.server.insert(sandboxes, s)
		require.NoError(t, err)
		h.catchUp(1)
		return fault{err: apierrors.NewAlreadyExists(v1beta1.Resource(sandboxes), s.Name)}
	}
	h.mustSync()
	assert.Empty(t, h.expectations.of(warm))
	h.settle()
	assert.Len(t, h.live(), 1)
}

// The event of a Sandbox that had the name before says nothing of the new one.
func TestExpectationsTellIncarnationsApart(t *testing.T) {
	e := &expectations{}
	e.expect(warm, "x", now)
	e.confirm(warm, "x", "uid-2")
	key := keyOf(&v1beta1.Sandbox{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "x"}})
	e.observed(key, "uid-1")
	assert.Len(t, e.of(warm), 1)
	e.observed(key, "uid-2")
	assert.Empty(t, e.of(warm))
	assert.Empty(t, e.poolOf)

	e.expect(warm, "y", now)
	e.doubt(warm, "y", now)
	e.unlisted(warm, "y", now.Add(lostAfter-1))
	assert.Len(t, e.of(warm), 1, "it may come yet")
	e.unlisted(warm, "y", now.Add(lostAfter))
	assert.Empty(t, e.of(warm))

	e.expect(warm, "y", now)
	e.forget(warm)
	assert.Empty(t, e.of(warm))
	assert.Empty(t, e.poolOf)
	e.confirm(warm, "y", "uid-3")
	assert.Empty(t, e.of(warm), "nothing comes back")
}

func TestAWatchEventOfAnotherIncarnationMakesAVacancy(t *testing.T) {
	h := newSyncedHarness(t, newPool(1), newTemplate("v1"), members(1, 1, isUp))
	h.settle()
	h.server.store(sandboxes, watch.Modified, newMember(1, isUnowned, func(s *v1beta1.Sandbox) { s.UID = "uid-other" }))
	h.settle()
	assert.Len(t, h.live(), 1)
	assert.NotEqual(t, "warm-1", h.live()[0])
}
