// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/testutil"
)

func TestCollector(t *testing.T) {
	index := filled("a", "b", "c", "d", "e")
	index.Track(green)
	index.SetWaiting(Key{Namespace: "default", Name: "not a pool"}, 1)
	mustReserve(t, index).Confirm(9)
	mustReserve(t, index).Lost()
	mustReserve(t, index).Release()
	mustReserve(t, index)
	registry := metrics.NewKubeRegistry()
	require.NoError(t, registry.CustomRegister(NewCollector(index)))

	assert.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP sandbox_warmindex_available [ALPHA] Sandboxes that a claim could draw now, as this replica sees it, by pool.
# TYPE sandbox_warmindex_available gauge
sandbox_warmindex_available{namespace="default",pool="blue"} 2
sandbox_warmindex_available{namespace="default",pool="green"} 0
# HELP sandbox_warmindex_reservations_total [ALPHA] Reservations that ended, by result: confirmed (claimed), released (not used) or lost (somebody else wrote the Sandbox first).
# TYPE sandbox_warmindex_reservations_total counter
sandbox_warmindex_reservations_total{result="confirmed"} 1
sandbox_warmindex_reservations_total{result="lost"} 1
sandbox_warmindex_reservations_total{result="released"} 1
# HELP sandbox_warmindex_reserved [ALPHA] Sandboxes picked by claims that are in flight on this replica.
# TYPE sandbox_warmindex_reserved gauge
sandbox_warmindex_reserved 1
`), "sandbox_warmindex_available", "sandbox_warmindex_reservations_total", "sandbox_warmindex_reserved"))

	index.Untrack(green)
	assert.NotContains(t, index.Stats().Available, green, "a pool's series goes with it")
}
