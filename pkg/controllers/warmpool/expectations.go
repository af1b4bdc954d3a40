// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"maps"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// creation is a member that this term has asked for, or found, and that does not
// count by being in the cache alone.
type creation struct {
	// since is when it was last asked for, or found.
	since time.Time
	// uid is that of its Sandbox, empty before the API server has confirmed it.
	uid types.UID
	// doubtful says that a request for it was not answered. It may be done late: even
	// again, when its Sandbox has come and gone.
	doubtful bool
	// seen says that the cache has had a Sandbox of this name. It may be gone by now.
	seen bool
}

// sure says whether it counts as existing. One that is not sure may exist or not, or
// come to exist later.
func (c creation) sure() bool { return c.uid != "" || c.seen }

// old says whether all requests for it are over.
func (c creation) old(now time.Time) bool { return now.Sub(c.since) >= lostAfter }

// expectations are the creations of all pools, by the names of the Sandboxes. The
// zero value is ready. All methods may be called by several goroutines; for one pool
// only its sync adds.
type expectations struct {
	mu    sync.Mutex
	pools map[worker.Key]map[string]creation
	// poolOf has the pool of each Sandbox that is expected.
	poolOf map[worker.Key]worker.Key
}

// expect adds a Sandbox that is about to be asked for, or asks for it once more.
func (e *expectations) expect(pool worker.Key, name string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.put(pool, name, creation{since: now, doubtful: e.pools[pool][name].doubtful})
}

// confirm notes that a request was answered well. The cache may have been faster.
func (e *expectations) confirm(pool worker.Key, name string, uid types.UID) {
	e.update(pool, name, func(c *creation) { c.uid = uid })
}

// doubt notes that a request was not answered.
func (e *expectations) doubt(pool worker.Key, name string, now time.Time) {
	e.update(pool, name, func(c *creation) { c.doubtful, c.since = true, now })
}

// observed drops the expectation of a Sandbox that is, or was, in the cache, or that
// is known not to come; without uid, whichever it is. A doubtful one stays.
func (e *expectations) observed(sandbox worker.Key, uid types.UID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	pool, ok := e.poolOf[sandbox]
	if !ok {
		return
	}
	switch c := e.pools[pool][sandbox.Name]; {
	case c.doubtful:
		c.seen = true
		e.pools[pool][sandbox.Name] = c
	case uid == "" || c.uid == "" || c.uid == uid:
		e.drop(pool, sandbox.Name)
	}
}

// listed adds, or makes sure, a member that is in a consistent list. If it is old,
// what is in the list is all that there will be.
func (e *expectations) listed(pool worker.Key, sandbox metav1.Object, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.pools[pool][sandbox.GetName()]
	if c.old(now) {
		c = creation{since: now}
	}
	c.uid = sandbox.GetUID()
	e.put(pool, sandbox.GetName(), c)
}

// unlisted drops what is no member in a consistent list, unless it may come yet.
func (e *expectations) unlisted(pool worker.Key, name string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.pools[pool][name]; !c.doubtful || c.old(now) {
		e.drop(pool, name)
	}
}

// of is a copy of what is expected of one pool. To count each member at least once
// it must be read before the cache is, since the cache comes first in observing.
func (e *expectations) of(pool worker.Key) map[string]creation {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.pools[pool])
}

func (e *expectations) forget(pool worker.Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name := range e.pools[pool] {
		e.drop(pool, name)
	}
}

func (e *expectations) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pools, e.poolOf = nil, nil
}

func (e *expectations) update(pool worker.Key, name string, change func(*creation)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, ok := e.pools[pool][name]; ok {
		change(&c)
		e.pools[pool][name] = c
	}
}

// put needs the lock, as drop does.
func (e *expectations) put(pool worker.Key, name string, c creation) {
	if e.pools == nil {
		e.pools = map[worker.Key]map[string]creation{}
		e.poolOf = map[worker.Key]worker.Key{}
	}
	if e.pools[pool] == nil {
		e.pools[pool] = map[string]creation{}
	}
	e.pools[pool][name] = c
	e.poolOf[worker.Key{Namespace: pool.Namespace, Name: name}] = pool
}

func (e *expectations) drop(pool worker.Key, name string) {
	delete(e.poolOf, worker.Key{Namespace: pool.Namespace, Name: name})
	delete(e.pools[pool], name)
	if len(e.pools[pool]) == 0 {
		delete(e.pools, pool)
	}
}
