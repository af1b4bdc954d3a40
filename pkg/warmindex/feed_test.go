// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

const current = "hash-of-v2"

func testPool() *v1beta1.SandboxWarmPool {
	return &v1beta1.SandboxWarmPool{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "blue", UID: "pool-uid"},
		Spec: v1beta1.SandboxWarmPoolSpec{
			SandboxTemplateRef: v1beta1.SandboxTemplateReference{Name: "python"},
			UpdateStrategy:     v1beta1.SandboxWarmPoolUpdateStrategy{Type: v1beta1.RecreateStrategy},
		},
	}
}

// testTemplate has a hash that is its annotation.
func testTemplate(hash string) *v1beta1.SandboxTemplate {
	return &v1beta1.SandboxTemplate{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: "python", Annotations: map[string]string{"hash": hash},
	}}
}

func annotatedHash(template *v1beta1.SandboxTemplate) string { return template.Annotations["hash"] }

func owned(kind, name string, uid types.UID) []metav1.OwnerReference {
	controller := true
	return []metav1.OwnerReference{{APIVersion: v1beta1.SchemeGroupVersion.String(), Kind: kind, Name: name, UID: uid, Controller: &controller}}
}

func testSandbox() *v1beta1.Sandbox {
	return &v1beta1.Sandbox{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:         "default",
			Name:              "blue-x7k2p",
			UID:               "sandbox-uid",
			ResourceVersion:   "41",
			Generation:        3,
			CreationTimestamp: metav1.NewTime(epoch),
			Labels:            map[string]string{v1beta1.TemplateHashLabel: current},
			OwnerReferences:   owned("SandboxWarmPool", "blue", "pool-uid"),
		},
		Spec: v1beta1.SandboxSpec{OperatingMode: v1beta1.SandboxRunning},
		Status: v1beta1.SandboxStatus{
			PodIPs:     []string{"10.0.0.7"},
			Conditions: []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: 3}},
		},
	}
}

func TestAvailable(t *testing.T) {
	now := metav1.NewTime(epoch)
	type change func(s *v1beta1.Sandbox, p *v1beta1.SandboxWarmPool)
	strategy := func(name v1beta1.SandboxWarmPoolUpdateStrategyType) change {
		return func(_ *v1beta1.Sandbox, p *v1beta1.SandboxWarmPool) { p.Spec.UpdateStrategy.Type = name }
	}
	condition := func(kind string, status metav1.ConditionStatus) change {
		return func(s *v1beta1.Sandbox, _ *v1beta1.SandboxWarmPool) {
			for n := range s.Status.Conditions {
				if s.Status.Conditions[n].Type == kind {
					s.Status.Conditions[n].Status = status
					return
				}
			}
			s.Status.Conditions = append(s.Status.Conditions, metav1.Condition{Type: kind, Status: status, ObservedGeneration: s.Generation})
		}
	}
	sandbox := func(f func(*v1beta1.Sandbox)) change {
		return func(s *v1beta1.Sandbox, _ *v1beta1.SandboxWarmPool) { f(s) }
	}
	tests := map[string]struct {
		change    change
		hash      string
		available bool
	}{
		"as it should be":         {hash: current, available: true},
		"not Finished":            {change: condition(v1beta1.ConditionFinished, metav1.ConditionFalse), hash: current, available: true},
		"no owner":                {change: sandbox(func(s *v1beta1.Sandbox) { s.OwnerReferences = nil }), hash: current},
		"owner does not control":  {change: sandbox(func(s *v1beta1.Sandbox) { s.OwnerReferences[0].Controller = nil }), hash: current},
		"pool of an earlier time": {change: sandbox(func(s *v1beta1.Sandbox) { s.OwnerReferences[0].UID = "earlier" }), hash: current},
		"claim as owner": {
			change: sandbox(func(s *v1beta1.Sandbox) { s.OwnerReferences = owned("SandboxClaim", "blue", "pool-uid") }), hash: current,
		},
		"owner in another namespace": {change: sandbox(func(s *v1beta1.Sandbox) { s.Namespace = "attacker" }), hash: current},
		"being deleted":              {change: sandbox(func(s *v1beta1.Sandbox) { s.DeletionTimestamp = &now }), hash: current},
		"claimed": {
			change: sandbox(func(s *v1beta1.Sandbox) { s.Spec.ClaimRef = &v1beta1.SandboxClaimReference{Name: "c", UID: "u"} }), hash: current,
		},
		"suspended":               {change: sandbox(func(s *v1beta1.Sandbox) { s.Spec.OperatingMode = v1beta1.SandboxSuspended }), hash: current},
		"not Ready":               {change: condition(v1beta1.ConditionReady, metav1.ConditionFalse), hash: current},
		"Ready unknown":           {change: condition(v1beta1.ConditionReady, metav1.ConditionUnknown), hash: current},
		"no conditions":           {change: sandbox(func(s *v1beta1.Sandbox) { s.Status.Conditions = nil }), hash: current},
		"was Ready before change": {change: sandbox(func(s *v1beta1.Sandbox) { s.Generation++ }), hash: current},
		"Finished":                {change: condition(v1beta1.ConditionFinished, metav1.ConditionTrue), hash: current},
		"no address":              {change: sandbox(func(s *v1beta1.Sandbox) { s.Status.PodIPs = nil }), hash: current},
		"pool being deleted": {
			change: func(_ *v1beta1.Sandbox, p *v1beta1.SandboxWarmPool) { p.DeletionTimestamp = &now }, hash: current,
		},
		"stale, Recreate":                 {hash: "hash-of-v3"},
		"stale, RollingUpdate":            {change: strategy(v1beta1.RollingUpdateStrategy), hash: "hash-of-v3", available: true},
		"stale, OnReplenish":              {change: strategy(v1beta1.OnReplenishStrategy), hash: "hash-of-v3", available: true},
		"stale, strategy not given":       {change: strategy(""), hash: "hash-of-v3", available: true},
		"no template, Recreate":           {},
		"no template, OnReplenish":        {change: strategy(v1beta1.OnReplenishStrategy), available: true},
		"no template, no label, Recreate": {change: sandbox(func(s *v1beta1.Sandbox) { s.Labels = nil })},
		"current, no label, Recreate":     {change: sandbox(func(s *v1beta1.Sandbox) { s.Labels = nil }), hash: current},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sandbox, pool := testSandbox(), testPool()
			if test.change != nil {
				test.change(sandbox, pool)
			}
			assert.Equal(t, test.available, Available(sandbox, pool, test.hash))
		})
	}
}

func TestWaits(t *testing.T) {
	now := epoch.Add(time.Hour)
	at := func(when time.Time) *v1beta1.SandboxClaimLifecycle {
		shutdown := metav1.NewTime(when)
		return &v1beta1.SandboxClaimLifecycle{ShutdownTime: &shutdown}
	}
	tests := map[string]struct {
		change func(*v1beta1.SandboxClaim)
		waits  bool
	}{
		"unbound":          {change: func(*v1beta1.SandboxClaim) {}, waits: true},
		"bound":            {change: func(c *v1beta1.SandboxClaim) { c.Status.Sandbox = &v1beta1.ClaimedSandbox{Name: "s"} }},
		"being deleted":    {change: func(c *v1beta1.SandboxClaim) { c.DeletionTimestamp = &metav1.Time{Time: now} }},
		"starts cold":      {change: func(c *v1beta1.SandboxClaim) { c.Spec.OnEmptyPool = v1beta1.OnEmptyPoolColdStart }},
		"expires later":    {change: func(c *v1beta1.SandboxClaim) { c.Spec.Lifecycle = at(now.Add(time.Second)) }, waits: true},
		"expires now":      {change: func(c *v1beta1.SandboxClaim) { c.Spec.Lifecycle = at(now) }},
		"has no end":       {change: func(c *v1beta1.SandboxClaim) { c.Spec.Lifecycle = &v1beta1.SandboxClaimLifecycle{} }, waits: true},
		"Finished":         {change: func(c *v1beta1.SandboxClaim) { c.Status.Conditions = finished(metav1.ConditionTrue) }},
		"not Finished yet": {change: func(c *v1beta1.SandboxClaim) { c.Status.Conditions = finished(metav1.ConditionFalse) }, waits: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			claim := testClaim("c", "blue")
			test.change(claim)
			assert.Equal(t, test.waits, Waits(claim, now))
		})
	}
}

func finished(status metav1.ConditionStatus) []metav1.Condition {
	return []metav1.Condition{{Type: v1beta1.ConditionFinished, Status: status}}
}

func testClaim(name, pool string) *v1beta1.SandboxClaim {
	return &v1beta1.SandboxClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1beta1.SandboxClaimSpec{
			WarmPoolRef: v1beta1.SandboxWarmPoolReference{Name: pool}, OnEmptyPool: v1beta1.OnEmptyPoolWait,
		},
	}
}

func newTestFeed() *Feed {
	return NewFeed(FeedOptions{
		Index:    New[*v1beta1.Sandbox](Options{}),
		Hash:     annotatedHash,
		Withheld: func(time.Time) bool { return false },
		Clock:    clocktesting.NewFakePassiveClock(epoch),
	})
}

func TestAnEntryIsWhatAClaimNeeds(t *testing.T) {
	feed, sandbox := newTestFeed(), testSandbox()
	feed.setTemplate(Key{Namespace: "default", Name: "python"}, testTemplate(current))
	feed.setPool(blue, testPool())
	feed.setSandbox(sandboxKey(sandbox.Name), sandbox)

	r, ok := feed.Index.Reserve(blue)
	require.True(t, ok)
	assert.Equal(t, Entry[*v1beta1.Sandbox]{
		Key: sandboxKey("blue-x7k2p"), Pool: blue, UID: "sandbox-uid", Revision: 41, Created: epoch, Payload: sandbox,
	}, r.Entry())
	assert.Same(t, sandbox, r.Entry().Payload)
}

// What was made before a loss of the store may be in use by a claim that the store has lost.
func TestAWithheldSandboxIsNotOffered(t *testing.T) {
	loss := epoch
	feed := NewFeed(FeedOptions{
		Index: New[*v1beta1.Sandbox](Options{}), Hash: annotatedHash, Clock: clocktesting.NewFakePassiveClock(epoch),
		Withheld: func(made time.Time) bool { return !made.After(loss) },
	})
	before, after := testSandbox(), testSandbox()
	after.Name, after.UID, after.CreationTimestamp = "blue-later", "later-uid", metav1.NewTime(loss.Add(time.Second))
	feed.setTemplate(Key{Namespace: "default", Name: "python"}, testTemplate(current))
	feed.setSandbox(sandboxKey(before.Name), before)
	feed.setSandbox(sandboxKey(after.Name), after)
	feed.setPool(blue, testPool())
	feed.setSandbox(sandboxKey(before.Name), before)
	assert.Equal(t, 1, feed.Index.Len(blue))
	_, ok := feed.Index.ReserveNamed(sandboxKey(before.Name))
	assert.False(t, ok)
	r, ok := feed.Index.ReserveForWaiting(blue)
	require.True(t, ok)
	assert.Same(t, after, r.Entry().Payload)
}

func TestASandboxWithoutAUsableRevisionIsNotOffered(t *testing.T) {
	feed, sandbox := newTestFeed(), testSandbox()
	feed.setTemplate(Key{Namespace: "default", Name: "python"}, testTemplate(current))
	feed.setPool(blue, testPool())
	feed.setSandbox(sandboxKey(sandbox.Name), sandbox)
	sandbox.ResourceVersion = "opaque"
	feed.setSandbox(sandboxKey(sandbox.Name), sandbox)
	assert.Zero(t, feed.Index.Len(blue))
}

// The status of a pool changes with every claim, so it must not cost a look at every member.
func TestAPoolsStatusIsNotLookedAt(t *testing.T) {
	feed, sandbox, pool := newTestFeed(), testSandbox(), testPool()
	feed.setTemplate(Key{Namespace: "default", Name: "python"}, testTemplate(current))
	feed.setPool(blue, pool)
	feed.setSandbox(sandboxKey(sandbox.Name), sandbox)
	feed.Index.Delete(sandboxKey(sandbox.Name)) // would come back if the members were judged again

	pool = pool.DeepCopy()
	pool.Status.ReadyReplicas, pool.Generation = 7, 2
	feed.setPool(blue, pool)
	feed.setTemplate(Key{Namespace: "default", Name: "python"}, testTemplate(current))
	assert.Zero(t, feed.Index.Len(blue))

	pool = pool.DeepCopy()
	pool.Spec.UpdateStrategy.Type = v1beta1.OnReplenishStrategy
	feed.setPool(blue, pool)
	assert.Equal(t, 1, feed.Index.Len(blue))
}

// world is all objects as last seen, to judge from scratch.
type world struct {
	random    *rand.Rand
	revision  int
	sandboxes map[Key]*v1beta1.Sandbox
	pools     map[Key]*v1beta1.SandboxWarmPool
	templates map[Key]*v1beta1.SandboxTemplate
	claims    map[Key]*v1beta1.SandboxClaim
}

func choose[T any](random *rand.Rand, choices ...T) T { return choices[random.IntN(len(choices))] }

func (w *world) key(prefix string, count int) Key {
	return Key{Namespace: choose(w.random, "default", "other"), Name: fmt.Sprint(prefix, w.random.IntN(count))}
}

func (w *world) sandbox(key Key) *v1beta1.Sandbox {
	w.revision++
	s := testSandbox()
	s.Namespace, s.Name, s.ResourceVersion = key.Namespace, key.Name, strconv.Itoa(w.revision)
	s.Labels[v1beta1.TemplateHashLabel] = choose(w.random, "1", "2")
	s.OwnerReferences = owned(choose(w.random, "SandboxWarmPool", "SandboxWarmPool", "SandboxClaim"),
		fmt.Sprint("pool", w.random.IntN(3)), choose[types.UID](w.random, "old", "new"))
	s.Generation = choose[int64](w.random, 3, 3, 3, 4)
	return s
}

func (w *world) pool(key Key) *v1beta1.SandboxWarmPool {
	p := testPool()
	p.Namespace, p.Name, p.UID = key.Namespace, key.Name, choose[types.UID](w.random, "old", "new")
	p.Spec.SandboxTemplateRef.Name = fmt.Sprint("template", w.random.IntN(2))
	p.Spec.UpdateStrategy.Type = choose(w.random, v1beta1.OnReplenishStrategy, v1beta1.RecreateStrategy)
	if w.random.IntN(5) == 0 {
		p.DeletionTimestamp = &metav1.Time{Time: epoch}
	}
	return p
}

func (w *world) claim(key Key) *v1beta1.SandboxClaim {
	c := testClaim(key.Name, fmt.Sprint("pool", w.random.IntN(3)))
	c.Namespace = key.Namespace
	if w.random.IntN(3) == 0 {
		c.Status.Sandbox = &v1beta1.ClaimedSandbox{Name: "s"}
	}
	return c
}

// step changes one object and tells the feed.
func (w *world) step(f *Feed) {
	gone := w.random.IntN(4) == 0
	switch w.random.IntN(8) {
	case 0:
		key := w.key("pool", 3)
		p := w.pool(key)
		apply(w.pools, change[*v1beta1.SandboxWarmPool]{key, p, gone, f.setPool, f.dropPool})
	case 1:
		key := w.key("template", 2)
		template := testTemplate(choose(w.random, "1", "2"))
		apply(w.templates, change[*v1beta1.SandboxTemplate]{key, template, gone, f.setTemplate, f.dropTemplate})
	case 2, 3:
		key := w.key("claim", 6)
		apply(w.claims, change[*v1beta1.SandboxClaim]{key, w.claim(key), gone, f.setClaim, f.dropClaim})
	default:
		key := w.key("sandbox", 8)
		apply(w.sandboxes, change[*v1beta1.Sandbox]{key, w.sandbox(key), gone, f.setSandbox, f.dropSandbox})
	}
}

type change[T any] struct {
	key    Key
	object T
	gone   bool
	set    func(Key, T)
	drop   func(Key)
}

func apply[T any](objects map[Key]T, c change[T]) {
	if c.gone {
		delete(objects, c.key)
		c.drop(c.key)
		return
	}
	objects[c.key] = c.object
	c.set(c.key, c.object)
}

// offers are what should be offered: the revision of each available Sandbox, by pool; and who waits.
func (w *world) offers() (offers map[Key]map[Key]string, waiting map[Key]int) {
	offers, waiting = map[Key]map[Key]string{}, map[Key]int{}
	for poolKey, pool := range w.pools {
		offers[poolKey] = map[Key]string{}
		hash := ""
		if template := w.templates[templateOf(pool)]; template != nil {
			hash = annotatedHash(template)
		}
		for key, sandbox := range w.sandboxes {
			if Available(sandbox, pool, hash) && sandbox.OwnerReferences[0].Name == pool.Name {
				offers[poolKey][key] = sandbox.ResourceVersion
			}
		}
	}
	for key, claim := range w.claims {
		if Waits(claim, epoch) {
			waiting[Key{Namespace: key.Namespace, Name: claim.Spec.WarmPoolRef.Name}]++
		}
	}
	return offers, waiting
}

func (f *Feed) offers() (offers map[Key]map[Key]string, waiting map[Key]int) {
	offers, waiting = map[Key]map[Key]string{}, map[Key]int{}
	for pool := range f.Index.Stats().Available {
		offers[pool] = map[Key]string{}
		for r, ok := f.Index.ReserveForWaiting(pool); ok; r, ok = f.Index.ReserveForWaiting(pool) {
			offers[pool][r.Entry().Key] = r.Entry().Payload.ResourceVersion
			defer r.Release()
		}
	}
	for key, pool := range f.Index.pools {
		if pool.waiting > 0 {
			waiting[key] = pool.waiting
		}
	}
	return offers, waiting
}

// In whatever order the four kinds come, change and go, what is offered follows from the objects as last seen.
func TestTheFeedOffersWhatTheObjectsSay(t *testing.T) {
	for random := range eachSequence(t) {
		feed := newTestFeed()
		w := &world{
			random: random, sandboxes: map[Key]*v1beta1.Sandbox{}, pools: map[Key]*v1beta1.SandboxWarmPool{},
			templates: map[Key]*v1beta1.SandboxTemplate{}, claims: map[Key]*v1beta1.SandboxClaim{},
		}
		for range 150 {
			w.step(feed)
			wantOffers, wantWaiting := w.offers()
			offers, waiting := feed.offers()
			require.Equal(t, wantOffers, offers)
			require.Equal(t, wantWaiting, waiting)
		}
		for key := range w.sandboxes {
			feed.dropSandbox(key)
		}
		for key := range w.pools {
			feed.dropPool(key)
		}
		for key := range w.claims {
			feed.dropClaim(key)
		}
		assert.Empty(t, feed.Index.slots)
		assert.Empty(t, feed.Index.pools)
		assert.Empty(t, feed.members.members)
		assert.Empty(t, feed.pools.group)
	}
}
