// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// statusInterval is the least time between a change and the write of the status, and
// between two writes: a pool that is drawn from all the time costs two writes a second.
const statusInterval = 500 * time.Millisecond

// memory is what the syncs of one pool tell each other within a term. Nothing is
// wrong when it is empty, things only take longer. It belongs to the sync that runs.
type memory struct {
	// pool is whose memory this is: another pool of the same name has another.
	pool types.UID
	// listed says that a consistent list has been taken in this term.
	listed bool
	// deleted are members whose deletion is confirmed and not in the cache yet.
	deleted sets.Set[types.UID]
	// replacements slows down the replacement of failing members, attempts that of
	// refused creates.
	replacements brake
	attempts     backoff
	// differs is when the status was first seen to differ from what is stored, zero
	// if it does not; written is when it was last written.
	differs, written time.Time
}

// dueIn is how long the write of a status that differs has to wait. An urgent one,
// such as the answer to a new generation, waits for the last write only.
func (m *memory) dueIn(urgent bool, now time.Time) time.Duration {
	if m.differs.IsZero() {
		m.differs = now
	}
	if urgent {
		return m.written.Add(statusInterval).Sub(now)
	}
	return m.differs.Add(statusInterval).Sub(now)
}

// memories has the memory of each pool. The zero value is ready.
type memories struct {
	mu    sync.Mutex
	pools map[worker.Key]*memory
}

// of returns the memory of a pool, a new one if it has none.
func (m *memories) of(key worker.Key, pool types.UID) (remembered *memory, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if remembered := m.pools[key]; remembered != nil && remembered.pool == pool {
		return remembered, true
	}
	if m.pools == nil {
		m.pools = map[worker.Key]*memory{}
	}
	m.pools[key] = &memory{pool: pool, deleted: sets.New[types.UID]()}
	return m.pools[key], false
}

func (m *memories) forget(key worker.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pools, key)
}

func (m *memories) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pools = nil
}
