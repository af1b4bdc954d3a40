// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	sandboxfake "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/fake"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions"
)

// replica is a controller with caches of its own, which are as late as the test likes.
type replica struct {
	*Controller
	server *server
	client *sandboxfake.Clientset
	// seen is how many changes of the server the caches have.
	seen    int
	factory externalversions.SharedInformerFactory
}

func newReplica(server *server, recorder EventRecorder) *replica {
	r := &replica{server: server, client: server.client()}
	r.factory = externalversions.NewSharedInformerFactory(r.client, 0)
	own := r.factory.Sandbox().V1beta1()
	r.Controller = New(Options{
		Pools: r.client.SandboxV1beta1(), Sandboxes: r.client.SandboxV1beta1(),
		PoolInformer: own.SandboxWarmPools(), TemplateInformer: own.SandboxTemplates(), SandboxInformer: own.Sandboxes(),
		Withheld: func(time.Time) bool { return false },
		Events:   recorder, Workers: 2, Clock: server.clock,
	})
	if err := r.index(); err != nil {
		panic(err)
	}
	return r
}

func (r *replica) indexer(resource string) cache.Indexer {
	switch resource {
	case sandboxes:
		return r.SandboxInformer.Informer().GetIndexer()
	case pools:
		return r.PoolInformer.Informer().GetIndexer()
	default:
		return r.TemplateInformer.Informer().GetIndexer()
	}
}

// catchUp brings the caches n changes further: the cache first, then the handler.
func (r *replica) catchUp(n int) {
	for ; n > 0 && r.seen < len(r.server.log); n-- {
		c := r.server.log[r.seen]
		r.seen++
		r.observe(c)
	}
}

func (r *replica) observe(c change) {
	indexer, handler := r.indexer(c.resource), r.sandboxHandler()
	before, existed, _ := indexer.Get(c.object)
	switch {
	case c.kind == watch.Deleted && !existed:
		return
	case c.kind == watch.Deleted:
		_ = indexer.Delete(c.object)
	default:
		_ = indexer.Update(c.object)
	}
	switch {
	case c.resource != sandboxes:
	case c.kind == watch.Deleted:
		handler.OnDelete(c.object)
	case existed:
		handler.OnUpdate(before, c.object)
	default:
		handler.OnAdd(c.object, false)
	}
}

// relist brings the caches to what the server has now; what came and went meanwhile
// is never told.
func (r *replica) relist() {
	for _, resource := range []string{sandboxes, pools, templates} {
		for _, obj := range r.indexer(resource).List() {
			if _, err := r.server.get(resource, keyOf(obj.(object))); err != nil {
				r.observe(change{resource: resource, kind: watch.Deleted, object: obj.(object)})
			}
		}
		for _, obj := range r.server.objects[resource] {
			r.observe(change{resource: resource, kind: watch.Modified, object: obj})
		}
	}
	r.seen = len(r.server.log)
}

// harness is a server with one replica.
type harness struct {
	*testing.T
	*replica
	clock  *testingclock.FakeClock
	events *events.FakeRecorder
}

// newHarness starts with what the server has. The caches are empty.
func newHarness(t *testing.T, objects ...any) *harness {
	t.Helper()
	h := &harness{T: t, clock: testingclock.NewFakeClock(now), events: events.NewFakeRecorder(100)}
	server := newServer(h.clock)
	h.replica = newReplica(server, h.events)
	for _, o := range objects {
		switch o := o.(type) {
		case *v1beta1.SandboxWarmPool:
			h.put(pools, o)
		case *v1beta1.SandboxTemplate:
			h.put(templates, o)
		case *v1beta1.Sandbox:
			h.put(sandboxes, o)
		case []*v1beta1.Sandbox:
			for _, sandbox := range o {
				h.put(sandboxes, sandbox)
			}
		default:
			require.Fail(t, "no place for it", "%T", o)
		}
	}
	return h
}

// newSyncedHarness has the same objects in the server and in the caches, and a term
// that has looked around.
func newSyncedHarness(t *testing.T, objects ...any) *harness {
	t.Helper()
	h := newHarness(t, objects...)
	h.catchUp(len(h.server.log))
	return h
}

func (h *harness) put(resource string, obj object) {
	h.Helper()
	_, err := h.server.insert(resource, obj)
	require.NoError(h, err)
}

// change updates a Sandbox as somebody else does.
func (h *harness) change(name string, f sandboxChange) {
	h.Helper()
	changed := h.sandbox(name).DeepCopy()
	f(changed)
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	h.server.store(sandboxes, watch.Modified, changed)
}

// changePool updates the pool's spec as a user does.
func (h *harness) changePool(f poolChange) {
	h.Helper()
	changed := h.pool().DeepCopy()
	f(changed)
	changed.Generation++
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	h.server.store(pools, watch.Modified, changed)
}

func (h *harness) sandbox(name string) *v1beta1.Sandbox {
	h.Helper()
	sandbox, err := h.client.SandboxV1beta1().Sandboxes("team").Get(h.Context(), name, metav1.GetOptions{})
	require.NoError(h, err)
	return sandbox
}

func (h *harness) pool() *v1beta1.SandboxWarmPool {
	h.Helper()
	pool, err := h.client.SandboxV1beta1().SandboxWarmPools("team").Get(h.Context(), "warm", metav1.GetOptions{})
	require.NoError(h, err)
	return pool
}

// mustSync syncs without error and returns the delay that was asked for.
func (h *harness) mustSync() time.Duration {
	h.Helper()
	result, err := h.sync(h.Context(), warm)
	require.NoError(h, err)
	return result.RequeueAfter
}

// settle lets the caches catch up and syncs until nothing is written any more, not
// even a status that had to wait.
func (h *harness) settle() {
	h.Helper()
	for rounds, quiet := 0, 0; quiet < 2; rounds++ {
		require.Less(h, rounds, 100, "it never settles")
		before := h.server.revision
		h.catchUp(len(h.server.log))
		h.mustSync()
		h.clock.Step(statusInterval)
		quiet++
		if h.server.revision != before {
			quiet = 0
		}
	}
}

// live are the members that the server has, by name.
func (h *harness) live() []string {
	var names []string
	pool := h.pool()
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	for key, obj := range h.server.objects[sandboxes] {
		if sandbox := obj.(*v1beta1.Sandbox); isMember(sandbox, pool) && sandbox.DeletionTimestamp == nil {
			names = append(names, key.Name)
		}
	}
	slices.Sort(names)
	return names
}

// writes are the creates and deletes of Sandboxes so far; names of new ones are left
// out. It forgets them.
func (h *harness) writes() []string {
	var texts []string
	for _, action := range h.client.Actions() {
		switch a := action.(type) {
		case clienttesting.CreateActionImpl:
			texts = append(texts, "create")
		case clienttesting.DeleteActionImpl:
			texts = append(texts, fmt.Sprintf("delete %s uid=%s rv=%s", a.Name, *a.DeleteOptions.Preconditions.UID, *a.DeleteOptions.Preconditions.ResourceVersion))
		}
	}
	h.client.ClearActions()
	return texts
}

// deletes are the names of the Sandboxes that were deleted, sorted.
func (h *harness) deletes() []string {
	var names []string
	for _, text := range h.writes() {
		if words := strings.Fields(text); words[0] == "delete" {
			names = append(names, words[1])
		}
	}
	slices.Sort(names)
	return names
}

// lists is how many lists of Sandboxes the server has answered.
func (h *harness) lists() int {
	return len(slices.DeleteFunc(h.client.Actions(), func(a clienttesting.Action) bool {
		return a.GetVerb() != "list" || a.GetResource().Resource != sandboxes
	}))
}

// condition is one of the stored pool, as "Status/Reason".
func (h *harness) condition(kind string) string {
	h.Helper()
	condition := meta.FindStatusCondition(h.pool().Status.Conditions, kind)
	if condition == nil {
		return ""
	}
	return string(condition.Status) + "/" + condition.Reason
}

// message is that of the condition Progressing.
func (h *harness) message() string {
	h.Helper()
	condition := meta.FindStatusCondition(h.pool().Status.Conditions, v1beta1.ConditionProgressing)
	require.NotNil(h, condition)
	return condition.Message
}

// recorded are the Events so far.
func (h *harness) recorded() []string {
	var texts []string
	for {
		select {
		case text := <-h.events.Events:
			texts = append(texts, text)
		default:
			return texts
		}
	}
}

// newTerm is what happens when this replica leads again.
func (h *harness) newTerm() { h.forgetAll() }

// start starts informers, for tests that call Run, and the term, until end is called.
func (h *harness) start() (end func()) {
	ctx, cancel := context.WithCancel(h.Context())
	h.factory.StartWithContext(h.Context())
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
