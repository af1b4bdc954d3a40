// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// poolKind is the kind of the controller of a member. The UID decides; the kind keeps other owners out of the books.
const poolKind = "SandboxWarmPool"

// Sandboxes is the Index that a Feed keeps. The payload is the cache's own object.
type Sandboxes = Index[*v1beta1.Sandbox]

// Sources are informers of v1beta1 objects, started by their owner.
type Sources struct {
	Sandboxes, Pools, Templates, Claims cache.SharedInformer
}

// FeedOptions are what a Feed works with. All but Clock is required.
type FeedOptions struct {
	Index *Sandboxes
	// Hash is what TemplateHashLabel has on a Sandbox that is made from the template now. It must be pure and not empty.
	Hash func(*v1beta1.SandboxTemplate) string
	// Withheld says whether a Sandbox that was made at that time is offered to nobody, whatever it looks like, since somebody
	// may use it. The answer about a time must not change.
	Withheld func(made time.Time) bool
	// Clock is the real one if nil.
	Clock clock.PassiveClock
}

// Feed keeps an Index in step with the caches: whatever order the four kinds arrive in, what is offered follows from the
// objects as last seen. A relist is nothing special to it, since an informer turns it into updates and deletions.
type Feed struct {
	FeedOptions
	registrations []cache.ResourceEventHandlerRegistration

	// mu is taken before the lock of the Index.
	mu      sync.Mutex
	members groups[*v1beta1.Sandbox]         // by the name of the pool that controls them, whether there is one or not
	pools   groups[*v1beta1.SandboxWarmPool] // by template
	waiting groups[struct{}]                 // claims, by pool
	hashes  map[Key]string                   // by template
}

// NewFeed builds a Feed that sees nothing before Attach.
func NewFeed(options FeedOptions) *Feed {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	return &Feed{
		FeedOptions: options,
		members:     newGroups[*v1beta1.Sandbox](),
		pools:       newGroups[*v1beta1.SandboxWarmPool](),
		waiting:     newGroups[struct{}](),
		hashes:      map[Key]string{},
	}
}

// Attach registers the Feed with the informers, for as long as they run. It is called once, before HasSynced.
func (f *Feed) Attach(sources Sources) error {
	for _, source := range []struct {
		informer cache.SharedInformer
		handler  cache.ResourceEventHandler
	}{
		// Sandboxes last: where informers have objects already, the others' changes then find no members to look at.
		{sources.Templates, handler(&f.mu, f.setTemplate, f.dropTemplate)},
		{sources.Pools, handler(&f.mu, f.setPool, f.dropPool)},
		{sources.Claims, handler(&f.mu, f.setClaim, f.dropClaim)},
		{sources.Sandboxes, handler(&f.mu, f.setSandbox, f.dropSandbox)},
	} {
		registration, err := source.informer.AddEventHandler(source.handler)
		if err != nil {
			return fmt.Errorf("feeding the index of available sandboxes: %w", err)
		}
		f.registrations = append(f.registrations, registration)
	}
	return nil
}

// HasSynced says whether the Index knows all that the informers had at their start.
func (f *Feed) HasSynced() bool {
	for _, registration := range f.registrations {
		if !registration.HasSynced() {
			return false
		}
	}
	return len(f.registrations) > 0
}

// handler calls set and drop one at a time over all kinds, since an informer of each kind calls from its own goroutine.
func handler[T metav1.Object](mu *sync.Mutex, set func(Key, T), drop func(Key)) cache.ResourceEventHandler {
	seen := func(obj any) {
		if object, ok := obj.(T); ok {
			mu.Lock()
			defer mu.Unlock()
			set(cache.MetaObjectToName(object), object)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    seen,
		UpdateFunc: func(_, obj any) { seen(obj) },
		DeleteFunc: func(obj any) {
			if key, err := cache.DeletionHandlingObjectToName(obj); err == nil {
				mu.Lock()
				defer mu.Unlock()
				drop(key)
			}
		},
	}
}

func (f *Feed) setSandbox(key Key, sandbox *v1beta1.Sandbox) {
	owner := metav1.GetControllerOfNoCopy(sandbox)
	if owner == nil || owner.Kind != poolKind {
		f.members.drop(key)
		f.judge(key, sandbox, nil)
		return
	}
	pool := Key{Namespace: key.Namespace, Name: owner.Name}
	f.members.put(key, pool, sandbox)
	f.judge(key, sandbox, f.pools.get(pool))
}

func (f *Feed) dropSandbox(key Key) {
	f.members.drop(key)
	f.Index.Delete(key)
}

func (f *Feed) setPool(key Key, pool *v1beta1.SandboxWarmPool) {
	before := f.pools.get(key)
	f.pools.put(key, templateOf(pool), pool)
	f.Index.Track(key)
	if before == nil || !alike(before, pool) {
		f.judgeMembers(key)
	}
}

func (f *Feed) dropPool(key Key) {
	f.pools.drop(key)
	f.Index.Untrack(key)
	f.judgeMembers(key)
}

// alike says whether both states of a pool offer the same members. A pool's status changes with every claim; looking at
// all members then would make each claim cost O(pool).
func alike(a, b *v1beta1.SandboxWarmPool) bool {
	return a.UID == b.UID &&
		templateOf(a) == templateOf(b) &&
		keepsStale(a) == keepsStale(b) &&
		a.DeletionTimestamp.IsZero() == b.DeletionTimestamp.IsZero()
}

func (f *Feed) setTemplate(key Key, template *v1beta1.SandboxTemplate) {
	hash := f.Hash(template)
	if f.hashes[key] == hash {
		return
	}
	f.hashes[key] = hash
	f.judgePools(key)
}

func (f *Feed) dropTemplate(key Key) {
	delete(f.hashes, key)
	f.judgePools(key)
}

func (f *Feed) setClaim(key Key, claim *v1beta1.SandboxClaim) {
	if !Waits(claim, f.Clock.Now()) {
		f.dropClaim(key)
		return
	}
	pool := Key{Namespace: key.Namespace, Name: claim.Spec.WarmPoolRef.Name}
	if before := f.waiting.put(key, pool, struct{}{}); before != pool {
		f.count(before)
		f.count(pool)
	}
}

func (f *Feed) dropClaim(key Key) {
	f.count(f.waiting.drop(key))
}

// count tells the Index how many claims wait at a pool; the zero Key is none.
func (f *Feed) count(pool Key) {
	if pool != (Key{}) {
		f.Index.SetWaiting(pool, len(f.waiting.of(pool)))
	}
}

func (f *Feed) judgePools(template Key) {
	for pool := range f.pools.of(template) {
		f.judgeMembers(pool)
	}
}

func (f *Feed) judgeMembers(pool Key) {
	for key, sandbox := range f.members.of(pool) {
		f.judge(key, sandbox, f.pools.get(pool))
	}
}

func (f *Feed) judge(key Key, sandbox *v1beta1.Sandbox, pool *v1beta1.SandboxWarmPool) {
	revision, err := strconv.ParseUint(sandbox.ResourceVersion, 10, 64)
	if err != nil { // not from an API server: no transaction could be held to it
		f.Index.Delete(key)
		return
	}
	if pool == nil || f.Withheld(sandbox.CreationTimestamp.Time) || !Available(sandbox, pool, f.hashes[templateOf(pool)]) {
		f.Index.Remove(key, revision)
		return
	}
	f.Index.Put(Entry[*v1beta1.Sandbox]{
		Key:      key,
		Pool:     cache.MetaObjectToName(pool),
		UID:      sandbox.UID,
		Revision: revision,
		Created:  sandbox.CreationTimestamp.Time,
		Payload:  sandbox,
	})
}

// Available says whether a claim may draw the Sandbox from the pool, if it is not withheld. The hash is the one that the
// pool's template has now, empty if there is no such template.
func Available(sandbox *v1beta1.Sandbox, pool *v1beta1.SandboxWarmPool, hash string) bool {
	return memberOf(sandbox, pool) &&
		pool.DeletionTimestamp.IsZero() &&
		sandbox.DeletionTimestamp.IsZero() &&
		sandbox.Spec.ClaimRef == nil &&
		sandbox.Spec.OperatingMode == v1beta1.SandboxRunning &&
		running(sandbox) &&
		(keepsStale(pool) || hash != "" && sandbox.Labels[v1beta1.TemplateHashLabel] == hash)
}

// memberOf compares the namespace too: a user who may create Sandboxes in one can write an owner of another into them.
func memberOf(sandbox *v1beta1.Sandbox, pool *v1beta1.SandboxWarmPool) bool {
	owner := metav1.GetControllerOfNoCopy(sandbox)
	return owner != nil && owner.Kind == poolKind && owner.UID == pool.UID && sandbox.Namespace == pool.Namespace
}

func running(sandbox *v1beta1.Sandbox) bool {
	ready := apimeta.FindStatusCondition(sandbox.Status.Conditions, v1beta1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue &&
		ready.ObservedGeneration == sandbox.Generation &&
		!apimeta.IsStatusConditionTrue(sandbox.Status.Conditions, v1beta1.ConditionFinished) &&
		len(sandbox.Status.PodIPs) > 0
}

// keepsStale says whether members of an earlier template may be drawn: always but under Recreate, which promises that
// nobody gets one. A rolling update that withdrew them all at once would leave its pool empty.
func keepsStale(pool *v1beta1.SandboxWarmPool) bool {
	return pool.Spec.UpdateStrategy.Type != v1beta1.RecreateStrategy
}

func templateOf(pool *v1beta1.SandboxWarmPool) Key {
	return Key{Namespace: pool.Namespace, Name: pool.Spec.SandboxTemplateRef.Name}
}

// Waits says whether the claim is stored, unbound, and in line at its pool. One that expired is not, or it would keep a
// Sandbox from others for ever. The Feed asks when the claim changes, which its expiry does.
func Waits(claim *v1beta1.SandboxClaim, now time.Time) bool {
	return claim.Spec.OnEmptyPool == v1beta1.OnEmptyPoolWait &&
		claim.Status.Sandbox == nil &&
		claim.DeletionTimestamp.IsZero() &&
		!expired(claim.Spec.Lifecycle, now) &&
		!apimeta.IsStatusConditionTrue(claim.Status.Conditions, v1beta1.ConditionFinished)
}

func expired(lifecycle *v1beta1.SandboxClaimLifecycle, now time.Time) bool {
	return lifecycle != nil && lifecycle.ShutdownTime != nil && !now.Before(lifecycle.ShutdownTime.Time)
}
