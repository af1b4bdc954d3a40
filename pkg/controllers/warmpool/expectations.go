// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"maps"
	"sync"
	"time"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// creation is a member that this term has asked for, or found, and that does not
// count by being in the cache alone.
type creation struct {
	// since is when it was last asked for, or found.
	since time.Time
	// sure says that the API server has confirmed it. One that is not sure may exist
	// or not, or come to exist later.
	sure bool
	// doubtful says that a request for it was not answered. It may be done late, even
	// again when its Sandbox has come and gone.
	doubtful bool
	// seen says that the Sandbox has been in the cache. It may be gone by now.
	seen bool
}

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

// found adds a Sandbox that the API server has, or makes an expectation sure.
func (e *expectations) found(pool worker.Key, name string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, ok := e.pools[pool][name]
	if !ok {
		c.since = now
	}
	c.sure = true
	e.put(pool, name, c)
}

// confirm makes an expectation sure, unless the cache has met it already.
func (e *expectations) confirm(pool worker.Key, name string) {
	e.update(pool, name, func(c *creation) { c.sure = true })
}

// doubt notes that a request was not answered.
func (e *expectations) doubt(pool worker.Key, name string, now time.Time) {
	e.update(pool, name, func(c *creation) { c.doubtful, c.since = true, now })
}

// observed drops the expectation of a Sandbox that has been in the cache, or that is
// known not to come. One that may come again stays, until lostAfter.
func (e *expectations) observed(sandbox worker.Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	pool, ok := e.poolOf[sandbox]
	if !ok {
		return
	}
	if c := e.pools[pool][sandbox.Name]; c.doubtful {
		c.seen = true
		e.pools[pool][sandbox.Name] = c
		return
	}
	e.drop(pool, sandbox.Name)
}

// settle drops what was seen, and cannot come again any more.
func (e *expectations) settle(pool worker.Key, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, c := range e.pools[pool] {
		if c.seen && now.Sub(c.since) >= lostAfter {
			e.drop(pool, name)
		}
	}
}

// of is a copy of what is expected of one pool. To count each member at least once
// it must be read before the cache is, since the cache comes first in observing.
func (e *expectations) of(pool worker.Key) map[string]creation {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.pools[pool])
}

// lost drops what was neither seen nor found.
func (e *expectations) lost(pool worker.Key, name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop(pool, name)
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
