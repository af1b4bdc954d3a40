// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
	cachetesting "k8s.io/client-go/tools/cache/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// listOnly is a source that knows no streaming lists, and says so.
type listOnly struct {
	*cachetesting.FakeControllerSource
}

func (listOnly) IsWatchListSemanticsUnSupported() bool { return true }

// cluster is four informers on four sources that a test writes to.
type cluster struct {
	sandboxes, pools, templates, claims *cachetesting.FakeControllerSource
	sources                             Sources
}

func newCluster() *cluster {
	c := &cluster{
		sandboxes: cachetesting.NewFakeControllerSource(), pools: cachetesting.NewFakeControllerSource(),
		templates: cachetesting.NewFakeControllerSource(), claims: cachetesting.NewFakeControllerSource(),
	}
	informer := func(source *cachetesting.FakeControllerSource, example runtime.Object) cache.SharedInformer {
		return cache.NewSharedInformer(listOnly{source}, example, 0)
	}
	c.sources = Sources{
		Sandboxes: informer(c.sandboxes, &v1beta1.Sandbox{}),
		Pools:     informer(c.pools, &v1beta1.SandboxWarmPool{}),
		Templates: informer(c.templates, &v1beta1.SandboxTemplate{}),
		Claims:    informer(c.claims, &v1beta1.SandboxClaim{}),
	}
	return c
}

// run starts the informers and ends them with the test.
func (c *cluster) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	informers := []cache.SharedInformer{c.sources.Sandboxes, c.sources.Pools, c.sources.Templates, c.sources.Claims}
	for _, informer := range informers {
		go func() {
			informer.RunWithContext(ctx)
			done <- struct{}{}
		}()
	}
	t.Cleanup(func() {
		cancel()
		for range informers {
			<-done
		}
	})
}

func member(name string) *v1beta1.Sandbox {
	sandbox := testSandbox()
	sandbox.Name = name
	return sandbox
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, time.Millisecond, what)
}

func TestTheFeedFollowsInformers(t *testing.T) {
	c, feed := newCluster(), newTestFeed()
	assert.False(t, feed.HasSynced(), "it sees nothing yet")
	require.NoError(t, feed.Attach(c.sources))
	assert.False(t, feed.HasSynced())
	for n := range 10 {
		c.sandboxes.Add(member(fmt.Sprint("s", n)))
	}
	c.templates.Add(testTemplate(current))
	c.pools.Add(testPool())
	c.claims.Add(testClaim("first", "blue"))
	c.run(t)
	length := func(want int) func() bool { return func() bool { return feed.Index.Len(blue) == want } }
	eventually(t, "sync", feed.HasSynced)
	assert.Equal(t, 10, feed.Index.Len(blue), "all is known once synced")
	assert.Equal(t, 1, feed.Index.Waiting(blue))

	c.sandboxes.Add(member("s10"))
	eventually(t, "a new member", length(11))
	c.sandboxes.Delete(member("s10"))
	eventually(t, "a member goes", length(10))
	stale := testTemplate("hash-of-v3")
	c.templates.Modify(stale)
	eventually(t, "a new template makes all stale", length(0))
	c.templates.Modify(testTemplate(current))
	eventually(t, "and back", length(10))
	c.claims.Delete(testClaim("first", "blue"))
	eventually(t, "nobody waits", func() bool { return feed.Index.Waiting(blue) == 0 })
	c.pools.Delete(testPool())
	eventually(t, "the pool goes", length(0))
}

// What a watch missed shows with the next list, deletions included.
func TestTheFeedSurvivesARelist(t *testing.T) {
	c, feed := newCluster(), newTestFeed()
	require.NoError(t, feed.Attach(c.sources))
	c.templates.Add(testTemplate(current))
	c.pools.Add(testPool())
	for n := range 5 {
		c.sandboxes.Add(member(fmt.Sprint("s", n)))
	}
	c.run(t)
	eventually(t, "sync", feed.HasSynced)
	held, ok := feed.Index.ReserveNamed(sandboxKey("s1"))
	require.True(t, ok)

	c.sandboxes.DeleteDropWatch(member("s0"))
	claimed := member("s1")
	claimed.Spec.ClaimRef = &v1beta1.SandboxClaimReference{Name: "c", UID: "u"}
	c.sandboxes.ModifyDropWatch(claimed)
	c.sandboxes.AddDropWatch(member("s5"))
	held.Lost()
	c.sandboxes.ResetWatch()

	names := func() []string {
		var names []string
		for n := range 6 {
			if r, ok := feed.Index.ReserveNamed(sandboxKey(fmt.Sprint("s", n))); ok {
				names = append(names, r.Entry().Key.Name)
				r.Release()
			}
		}
		return names
	}
	eventually(t, "the relist", func() bool { return len(names()) > 0 && names()[0] != "s0" && feed.Index.Len(blue) == 4 })
	assert.Equal(t, []string{"s2", "s3", "s4", "s5"}, names())
	assert.Len(t, feed.Index.slots, 4)
}

func TestAttachFailsOnAStoppedInformer(t *testing.T) {
	c, feed := newCluster(), newTestFeed()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.sources.Pools.RunWithContext(ctx)
	assert.ErrorContains(t, feed.Attach(c.sources), "feeding the index of available sandboxes: ")
	assert.False(t, feed.HasSynced())
}

func TestHandlersIgnoreWhatIsNoObject(t *testing.T) {
	feed := newTestFeed()
	h := handler(&feed.mu, feed.setSandbox, feed.dropSandbox)
	h.OnAdd("nonsense", false)
	h.OnUpdate(nil, &v1beta1.SandboxClaim{ObjectMeta: metav1.ObjectMeta{Name: "c"}})
	h.OnDelete(42)
	assert.Empty(t, feed.members.group)
}
