// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"sync"
	"time"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// maxOpenRefills bounds what is remembered of a pool that is drawn from for long
// without being refilled: the first ones are measured, the others are not.
const maxOpenRefills = 10_000

// refills measures how long pools take to make up for what is drawn: each member that
// becomes Ready counts for the Sandbox that was drawn first. The zero value is ready.
type refills struct {
	mu   sync.Mutex
	open map[worker.Key][]time.Time
}

// drawn notes that a claim has taken a Sandbox of the pool.
func (r *refills) drawn(pool worker.Key, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = map[worker.Key][]time.Time{}
	}
	if len(r.open[pool]) < maxOpenRefills {
		r.open[pool] = append(r.open[pool], now)
	}
}

// refilled notes that a member of the pool has become Ready.
func (r *refills) refilled(pool worker.Key, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	open := r.open[pool]
	if len(open) == 0 {
		return
	}
	refillDuration.Observe(now.Sub(open[0]).Seconds())
	r.open[pool] = open[1:]
}

func (r *refills) forget(pool worker.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, pool)
}

func (r *refills) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = nil
}
