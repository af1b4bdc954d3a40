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
	// start starts the informers, for tests that call Run.
	start func(ctx context.Context)
}

// newHarness starts with what the API server has. The caches are empty.
func newHarness(t *testing.T, live ...runtime.Object) *harness {
	t.Helper()
	h := &harness{T: t, events: events.NewFakeRecorder(100), clock: testingclock.NewFakePassiveClock(now)}
	h.server = fake.NewSimpleClientset()
	h.door = &door{T: t, server: h.server}
	h.store(live...)
	factory := externalversions.NewSharedInformerFactory(h.server, 0)
	h.start = factory.StartWithContext
	informers := factory.Sandbox().V1beta1()
	h.Controller = New(Options{
		Client:    h.server.SandboxV1beta1(),
		Binder:    func(string) Binder { return h.door },
		Claims:    informers.SandboxClaims(),
		Sandboxes: informers.Sandboxes(),
		Pools:     informers.SandboxWarmPools(),
		Templates: informers.SandboxTemplates(),
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
	server *fake.Clientset

	mu sync.Mutex
	// free are the Sandboxes that it has to give.
	free []string
	// refusals are the errors that claims get, by name.
	refusals map[string]error
	// given tells in order who got what; asked, who asked.
	given, asked []string
}

// Claim makes a claim that it does not know, as the real one does when it is not told the UID.
func (d *door) Claim(ctx context.Context, pool string, claim *v1beta1.SandboxClaim, _ metav1.CreateOptions) (*v1beta1.SandboxClaim, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, pool+"/"+claim.Name)
	if err := d.refusals[claim.Name]; err != nil {
		return nil, err
	}
	api := d.server.SandboxV1beta1().SandboxClaims(claim.Namespace)
	stored, err := api.Get(ctx, claim.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return api.Create(ctx, claim, metav1.CreateOptions{})
	}
	require.NoError(d, err)
	if stored.UID != claim.UID || stored.Status.Sandbox != nil || len(d.free) == 0 {
		return stored, nil
	}
	name := d.free[0]
	d.free = d.free[1:]
	d.given = append(d.given, claim.Name+"="+name)
	d.take(ctx, stored, name)
	bound := stored.DeepCopy()
	bound.Status = newClaim().Status
	bound.Status.Sandbox.Name = name
	return api.UpdateStatus(ctx, bound, metav1.UpdateOptions{})
}

func (d *door) take(ctx context.Context, claim *v1beta1.SandboxClaim, name string) {
	api := d.server.SandboxV1beta1().Sandboxes(claim.Namespace)
	sandbox, err := api.Get(ctx, name, metav1.GetOptions{})
	require.NoError(d, err)
	claimedBy(claim.Name, claim.UID)(sandbox)
	_, err = api.Update(ctx, sandbox, metav1.UpdateOptions{})
	require.NoError(d, err)
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
