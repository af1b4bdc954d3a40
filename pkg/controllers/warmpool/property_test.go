// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// world is one server, two replicas that lead in turn, each with caches as late as
// they happen to be, and everybody else.
type world struct {
	*testing.T
	*rand.Rand
	clock    *testingclock.FakeClock
	server   *server
	replicas [2]*replica
	leader   *replica
	// calm says that creates are answered and caches are fresh from now on.
	calm bool
	// lateSince is when the first of the late creates was sent.
	lateSince time.Time
	history   []string
	violation string
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{T: t, Rand: rand.New(rand.NewPCG(seed, 0)), clock: testingclock.NewFakeClock(now)}
	w.server = newServer(w.clock)
	w.server.refuse, w.server.created = w.answer, w.check
	for i := range w.replicas {
		w.replicas[i] = newReplica(w.server, events.NewFakeRecorder(10_000))
	}
	w.leader = w.replicas[0]
	_, err := w.server.insert(pools, newPool(4))
	require.NoError(t, err)
	_, err = w.server.insert(templates, newTemplate("v1"))
	require.NoError(t, err)
	return w
}

// answer is what becomes of a create. It runs in the middle of a sync.
func (w *world) answer(sandbox *v1beta1.Sandbox) fault {
	sandbox.Finalizers = []string{v1beta1.SandboxFinalizer}
	if w.calm {
		return fault{}
	}
	if w.IntN(10) == 0 {
		w.draw()
	}
	switch w.IntN(12) {
	case 0:
		return fault{err: apierrors.NewForbidden(v1beta1.Resource(sandboxes), sandbox.Name, errors.New("exceeded quota"))}
	case 1:
		return fault{err: errors.New("connection reset"), lands: true}
	case 2:
		return fault{err: apierrors.NewInternalError(errors.New("webhook"))}
	case 3:
		if len(w.server.late) == 0 {
			w.lateSince = w.clock.Now()
		}
		return fault{err: apierrors.NewTimeoutError("too slow", 1), later: true}
	default:
		return fault{}
	}
}

// check is what it is all about: no create leads to more than is asked for. It may be
// called in any goroutine, so it only notes what it finds.
func (w *world) check() {
	if n, asked := len(w.live()), w.asked(); n > asked && w.violation == "" {
		w.violation = fmt.Sprintf("%d of %d", n, asked)
	}
}

func (w *world) pool() *v1beta1.SandboxWarmPool {
	return w.server.objects[pools][warm].(*v1beta1.SandboxWarmPool)
}

func (w *world) asked() int { return int(*w.pool().Spec.Replicas) }

// all are the Sandboxes that are wanted, in a fixed order.
func (w *world) all(wanted func(*v1beta1.Sandbox) bool) []*v1beta1.Sandbox {
	var found []*v1beta1.Sandbox
	for _, obj := range w.server.objects[sandboxes] {
		if sandbox := obj.(*v1beta1.Sandbox); wanted(sandbox) {
			found = append(found, sandbox)
		}
	}
	slices.SortFunc(found, func(a, b *v1beta1.Sandbox) int { return slices.Compare([]byte(a.UID), []byte(b.UID)) })
	return found
}

func (w *world) isLive(s *v1beta1.Sandbox) bool {
	return isMember(s, w.pool()) && s.DeletionTimestamp == nil
}

func (w *world) live() []*v1beta1.Sandbox { return w.all(w.isLive) }

// change does something to one of the Sandboxes that are wanted.
func (w *world) change(f sandboxChange, wanted func(*v1beta1.Sandbox) bool) {
	found := w.all(wanted)
	if len(found) == 0 {
		return
	}
	changed := found[w.IntN(len(found))].DeepCopy()
	f(changed)
	w.server.store(sandboxes, watch.Modified, changed)
}

func (w *world) draw() {
	w.change(isClaimed, func(s *v1beta1.Sandbox) bool { return w.isLive(s) && isReadyNow(s) })
}

func (w *world) changePool(f poolChange) {
	changed := w.pool().DeepCopy()
	f(changed)
	changed.Generation++
	w.server.store(pools, watch.Modified, changed)
}

// late creates come to an end: no request outlives a minute, nor a term.
func (w *world) endLate() {
	if w.IntN(2) == 0 {
		w.server.land()
	}
	w.server.late = nil
}

func (w *world) step(delay time.Duration) {
	w.clock.Step(delay)
	if len(w.server.late) > 0 && w.clock.Since(w.lateSince) >= time.Minute {
		w.endLate()
	}
}

// acts is what may happen, with the odds of each.
var acts = map[string]struct {
	odds int
	do   func(*world)
}{
	"sync":     {30, func(w *world) { _, _ = w.leader.sync(w.Context(), warm) }},
	"catch up": {20, func(w *world) { w.replicas[w.IntN(2)].catchUp(1 + w.IntN(6)) }},
	"relist":   {1, func(w *world) { w.replicas[w.IntN(2)].relist() }},
	"draw":     {10, (*world).draw},
	"up":       {12, func(w *world) { w.change(isUp, w.isLive) }},
	"end":      {2, func(w *world) { w.change(hasEnded, w.isLive) }},
	"lag":      {1, func(w *world) { w.change(isLagging, w.isLive) }},
	"delete": {3, func(w *world) {
		w.change(isDeleted, func(s *v1beta1.Sandbox) bool { return s.DeletionTimestamp == nil })
	}},
	"clean up": {6, func(w *world) {
		for _, gone := range w.all(func(s *v1beta1.Sandbox) bool { return s.DeletionTimestamp != nil }) {
			w.server.store(sandboxes, watch.Deleted, gone.DeepCopy())
		}
	}},
	"land": {3, (*world).endLate},
	"scale": {2, func(w *world) {
		w.endLate() // what was sent was right when it was sent
		replicas := int32(w.IntN(9))
		w.changePool(func(p *v1beta1.SandboxWarmPool) { p.Spec.Replicas = &replicas })
	}},
	"template": {2, func(w *world) {
		changed := newTemplate(fmt.Sprint("v", w.IntN(4)))
		if w.IntN(3) == 0 && w.server.objects[templates][keyOf(changed)] != nil {
			w.server.store(templates, watch.Deleted, changed)
			return
		}
		w.server.store(templates, watch.Modified, changed)
	}},
	"strategy": {1, func(w *world) {
		strategies := []v1beta1.SandboxWarmPoolUpdateStrategy{
			{Type: v1beta1.OnReplenishStrategy}, recreate, rolling(intstr.FromString("25%")),
		}
		w.changePool(withStrategy(strategies[w.IntN(3)]))
	}},
	"time":      {8, func(w *world) { w.step(time.Duration(w.IntN(5000)) * time.Millisecond) }},
	"much time": {1, func(w *world) { w.step(time.Duration(w.IntN(150)) * time.Second) }},
	"new leader": {2, func(w *world) {
		w.endLate()
		w.leader = w.replicas[w.IntN(2)] // the same one too: it has restarted
		w.leader.forgetAll()
	}},
}

// names has each act as often as its odds say.
func (w *world) names() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(acts)) {
		names = append(names, slices.Repeat([]string{name}, acts[name].odds)...)
	}
	return names
}

func (w *world) run(steps int) {
	names := w.names()
	for range steps {
		name := names[w.IntN(len(names))]
		w.history = append(w.history, name)
		acts[name].do(w)
		require.Empty(w, w.violation, "after %v", w.history)
	}
}

// calmDown lets the world come to rest: the pool must end as it is asked for.
func (w *world) calmDown() {
	w.endLate()
	w.calm = true
	w.server.store(templates, watch.Modified, newTemplate("v1"))
	for range 60 {
		w.leader.catchUp(len(w.server.log))
		_, _ = w.leader.sync(w.Context(), warm)
		for _, s := range w.live() {
			if !isFinished(s) && !isReadyNow(s) {
				up := s.DeepCopy()
				isUp(up)
				w.server.store(sandboxes, watch.Modified, up)
			}
		}
		w.step(10 * time.Second)
	}
}

// Whatever happens, in whatever order, is seen however late, and is answered or not:
// a pool never has more members than it asks for because of a create, and it has as
// many when things have calmed down.
func TestNeverMoreThanAskedWhateverHappens(t *testing.T) {
	worlds := uint64(150)
	if testing.Short() {
		worlds = 20
	}
	for seed := range worlds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed)
			w.run(400)
			w.calmDown()
			require.Len(t, w.live(), w.asked(), "after %v", w.history)
			for _, s := range w.live() {
				require.True(t, isReadyNow(s) && !isFinished(s), "%v", s.Status.Conditions)
			}
			require.EqualValues(t, w.asked(), w.pool().Status.Replicas)
		})
	}
}
