// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// spareHeap is how much the heap may grow between two collections, within the bounds
	// below. Go's own rule, as much as is live, has a small server collect all the time
	// and a large one take twice what it needs.
	spareHeap    = 256 << 20
	leastPercent = 50
	mostPercent  = 400
	// paceInterval is far shorter than what it takes to store what would double the heap.
	paceInterval = 5 * time.Second
)

// collectionPercent is the GOGC for so many live bytes.
func collectionPercent(live uint64) int {
	if live == 0 { // nothing has been collected yet
		return mostPercent
	}
	return int(min(max(spareHeap*100/live, leastPercent), mostPercent))
}

// paceCollections follows the live heap until ctx ends, unless the environment has GOGC or
// GOMEMLIMIT: then the operator has decided. It is of the process, like what it sets.
func paceCollections(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	wait.UntilWithContext(ctx, func(context.Context) { paceOnce() }, paceInterval)
}

// paceOnce leaves small differences: setting the percentage stops the world.
func paceOnce() {
	const small = 10
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}}
	metrics.Read(samples)
	wanted, current := collectionPercent(samples[0].Value.Uint64()), int(samples[1].Value.Uint64())
	if difference := wanted - current; difference > small || difference < -small {
		debug.SetGCPercent(wanted)
	}
}
