// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/fake"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions"
)

var (
	mine   = worker.Key{Namespace: "team", Name: "mine"}
	python = worker.Key{Namespace: "team", Name: "python"}

	claims    = v1beta1.SchemeGroupVersion.WithResource("sandboxclaims")
	sandboxes = v1beta1.SchemeGroupVersion.WithResource("sandboxes")
	pools     = v1beta1.SchemeGroupVersion.WithResource("sandboxwarmpools")
	templates = v1beta1.SchemeGroupVersion.WithResource("sandboxtemplates")
)

// harness is a controller before a fake API server, and caches that a test fills by
// hand, so that it says how stale they are.
type harness struct {
	*testing.T
	*Controller
	server *fake.Clientset
	door   *door
	events *events.FakeRecorder
	clock  *testingclock.FakePassiveClock
	// start starts the informers, for tests that call Run or change what they see.
	start func(ctx context.Context)
}

// newHarness starts with what the API server has. The caches are empty.
func newHarness(t *testing.T, live ...runtime.Object) *harness {
	t.Helper()
	h := &harness{T: t, events: events.NewFakeRecorder(100), clock: testingclock.NewFakePassiveClock(now)}
	h.server = fake.NewSimpleClientset()
	h.door = &door{T: t, tracker: h.server.Tracker()}
	h.server.PrependReactor("create", "sandboxwarmpools", h.door.react)
	h.store(live...)
	factory := externalversions.NewSharedInformerFactory(h.server, 0)
	h.start = func(ctx context.Context) {
		factory.StartWithContext(ctx)
		h.awaitWatches()
	}
	informers := factory.Sandbox().V1beta1()
	h.Controller = New(Options{
		Client:    h.server.SandboxV1beta1(),
		Claims:    informers.SandboxClaims(),
		Sandboxes: informers.Sandboxes(),
		Pools:     informers.SandboxWarmPools(),
		Templates: informers.SandboxTemplates(),
		Withheld:  func(made time.Time) bool { return made.Before(now.Add(-24 * time.Hour)) },
		Events:    h.events,
		Workers:   2,
		Clock:     h.clock,
	})
	require.NoError(t, h.addIndexes())
	return h
}

// newSyncedHarness has the same objects in the API server and in the caches.
func newSyncedHarness(t *testing.T, objects ...runtime.Object) *harness {
	t.Helper()
	return newHarness(t, objects...).cache(objects...)
}

// awaitWatches is needed because the fake API server, unlike a real one, does not
// show a watch what happened between it and the list before it.
func (h *harness) awaitWatches() {
	h.Helper()
	const kinds = 4
	h.eventually("all are watched", func() bool {
		return len(h.actions(func(verb string) bool { return verb == "watch" })) == kinds
	})
}

// store adds objects to the API server.
func (h *harness) store(objects ...runtime.Object) {
	h.Helper()
	for _, object := range objects {
		resource := claims
		switch object.(type) {
		case *v1beta1.Sandbox:
			resource = sandboxes
		case *v1beta1.SandboxWarmPool:
			resource = pools
		case *v1beta1.SandboxTemplate:
			resource = templates
		}
		// Not Add: it guesses plurals, and guesses "sandboxs".
		require.NoError(h, h.server.Tracker().Create(resource, object, "team"))
	}
}

// cache adds objects to the caches.
func (h *harness) cache(objects ...runtime.Object) *harness {
	h.Helper()
	for _, object := range objects {
		indexer := h.Claims.Informer().GetIndexer()
		switch object.(type) {
		case *v1beta1.Sandbox:
			indexer = h.Sandboxes.Informer().GetIndexer()
		case *v1beta1.SandboxWarmPool:
			indexer = h.Pools.Informer().GetIndexer()
		case *v1beta1.SandboxTemplate:
			indexer = h.Templates.Informer().GetIndexer()
		}
		require.NoError(h, indexer.Add(object))
	}
	return h
}

// mustSync syncs without error and returns the delay that was asked for.
func (h *harness) mustSync() time.Duration {
	h.Helper()
	result, err := h.sync(h.Context(), mine)
	require.NoError(h, err)
	return result.RequeueAfter
}

// mustServe serves the pool without error and returns the delay that was asked for.
func (h *harness) mustServe() time.Duration {
	h.Helper()
	result, err := h.serve(h.Context(), python)
	require.NoError(h, err)
	return result.RequeueAfter
}

// refuse makes the API server answer with an error.
func (h *harness) refuse(verb, resource string, err error) {
	h.server.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, err })
}

// writes are all writes in order; reads are the live reads.
func (h *harness) writes() []string {
	return h.actions(func(verb string) bool { return !slices.Contains([]string{"get", "list", "watch"}, verb) })
}

func (h *harness) reads() []string { return h.actions(func(verb string) bool { return verb == "get" }) }

func (h *harness) actions(wanted func(verb string) bool) []string {
	var texts []string
	for _, action := range h.server.Actions() {
		if wanted(action.GetVerb()) {
			texts = append(texts, describe(action))
		}
	}
	return texts
}

// describe has preconditions and propagation of a delete, and all of a patch.
func describe(action clienttesting.Action) string {
	target := action.GetVerb() + " " + action.GetResource().Resource
	if sub := action.GetSubresource(); sub != "" {
		return target + "/" + sub
	}
	switch a := action.(type) {
	case clienttesting.DeleteActionImpl:
		text := target + "/" + a.Name
		if p := a.DeleteOptions.Preconditions; p != nil {
			text += fmt.Sprintf(" uid=%s rv=%s", *p.UID, *p.ResourceVersion)
		}
		if policy := a.DeleteOptions.PropagationPolicy; policy != nil {
			text += " " + string(*policy)
		}
		return text
	case clienttesting.PatchAction:
		return target + "/" + a.GetName() + " " + string(a.GetPatch())
	case clienttesting.GetAction:
		return target + "/" + a.GetName()
	default:
		return target
	}
}

// recorded are the Events so far, without their notes.
func (h *harness) recorded() []string {
	var texts []string
	for {
		select {
		case text := <-h.events.Events:
			words := strings.SplitN(text, " ", 3)
			texts = append(texts, words[0]+" "+words[1])
		default:
			return texts
		}
	}
}

// claim is the claim as the API server has it, nil without.
func (h *harness) claim(name string) *v1beta1.SandboxClaim {
	h.Helper()
	claim, err := found(h.server.SandboxV1beta1().SandboxClaims("team").Get(h.Context(), name, metav1.GetOptions{}))
	require.NoError(h, err)
	return claim
}

func (h *harness) sandbox(name string) *v1beta1.Sandbox {
	h.Helper()
	sandbox, err := found(h.server.SandboxV1beta1().Sandboxes("team").Get(h.Context(), name, metav1.GetOptions{}))
	require.NoError(h, err)
	return sandbox
}

// conditions of the stored claim.
func (h *harness) conditions() map[string]string {
	h.Helper()
	return conditions(h.claim("mine").Status)
}

// door stands for the subresource that binds waiting claims.
type door struct {
	*testing.T
	tracker clienttesting.ObjectTracker

	mu sync.Mutex
	// free are the Sandboxes that it has to give.
	free []string
	// refusals are the errors that claims get, by name.
	refusals map[string]error
	// given tells in order who got what; asked, who asked.
	given, asked []string
	// last is the latest claim that was posted.
	last *v1beta1.SandboxClaim
}

func (d *door) react(action clienttesting.Action) (bool, runtime.Object, error) {
	if action.GetSubresource() != "claim" {
		return false, nil, nil
	}
	create := action.(clienttesting.CreateActionImpl)
	answer, err := d.claim(create.Name, create.GetObject().(*v1beta1.SandboxClaim))
	return true, answer, err
}

// claim makes one that it does not know, as a door does that does not look at the UID.
func (d *door) claim(pool string, claim *v1beta1.SandboxClaim) (runtime.Object, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked, d.last = append(d.asked, pool+"/"+claim.Name), claim
	if err := d.refusals[claim.Name]; err != nil {
		return nil, err
	}
	obj, err := d.tracker.Get(claims, claim.Namespace, claim.Name)
	if apierrors.IsNotFound(err) {
		return claim, d.tracker.Create(claims, claim, claim.Namespace)
	}
	require.NoError(d, err)
	stored := obj.(*v1beta1.SandboxClaim)
	if stored.UID != claim.UID || stored.Status.Sandbox != nil || len(d.free) == 0 {
		return stored, nil
	}
	name := d.free[0]
	d.free = d.free[1:]
	d.given = append(d.given, claim.Name+"="+name)
	d.take(stored, name)
	bound := stored.DeepCopy()
	bound.Status = newClaim().Status
	bound.Status.Sandbox.Name = name
	return bound, d.tracker.Update(claims, bound, claim.Namespace)
}

func (d *door) take(claim *v1beta1.SandboxClaim, name string) {
	obj, err := d.tracker.Get(sandboxes, claim.Namespace, name)
	require.NoError(d, err)
	sandbox := obj.DeepCopyObject().(*v1beta1.Sandbox)
	claimedBy(claim.Name, claim.UID)(sandbox)
	require.NoError(d, d.tracker.Update(sandboxes, sandbox, claim.Namespace))
}

// offer makes the door have the Sandboxes.
func (d *door) offer(names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = append(d.free, names...)
}

// gave are those that were served so far.
func (d *door) gave() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.given)
}

func (d *door) wasAsked() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked) > 0
}
