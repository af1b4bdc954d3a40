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
	index.Count(green, "cold")
	index.Count(green, "cold")
	index.Count(green, "waiting")
	index.Count(Key{Namespace: "default", Name: "not a pool"}, "cold")
	registry := metrics.NewKubeRegistry()
	require.NoError(t, registry.CustomRegister(NewCollector(index)))

	assert.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP sandbox_apiserver_warmpool_available_replicas [BETA] Sandboxes that a claim could draw now, by pool, as this replica sees it.
# TYPE sandbox_apiserver_warmpool_available_replicas gauge
sandbox_apiserver_warmpool_available_replicas{namespace="default",pool="blue"} 2
sandbox_apiserver_warmpool_available_replicas{namespace="default",pool="green"} 0
# HELP sandbox_apiserver_warmpool_claims_total [BETA] New claims that this replica answered, by pool and outcome: warm, cold (nothing was available), custom (cold, for the env or disks of the claim), waiting or rejected (429). The series of a pool go with it.
# TYPE sandbox_apiserver_warmpool_claims_total counter
sandbox_apiserver_warmpool_claims_total{namespace="default",outcome="cold",pool="green"} 2
sandbox_apiserver_warmpool_claims_total{namespace="default",outcome="waiting",pool="green"} 1
# HELP sandbox_apiserver_warmindex_reservations_total [ALPHA] Reservations that ended, by result: confirmed (claimed), released (not used) or lost (somebody else wrote the Sandbox first).
# TYPE sandbox_apiserver_warmindex_reservations_total counter
sandbox_apiserver_warmindex_reservations_total{result="confirmed"} 1
sandbox_apiserver_warmindex_reservations_total{result="lost"} 1
sandbox_apiserver_warmindex_reservations_total{result="released"} 1
# HELP sandbox_apiserver_warmindex_reserved [ALPHA] Sandboxes picked by claims that are in flight on this replica.
# TYPE sandbox_apiserver_warmindex_reserved gauge
sandbox_apiserver_warmindex_reserved 1
`), "sandbox_apiserver_warmpool_available_replicas", "sandbox_apiserver_warmpool_claims_total", "sandbox_apiserver_warmindex_reservations_total", "sandbox_apiserver_warmindex_reserved"))

	index.SetWaiting(green, 1)
	index.Untrack(green)
	index.Track(green)
	assert.NotContains(t, index.Stats().Answered, green, "another pool of the name counts anew")
	index.SetWaiting(green, 0)
	index.Untrack(green)
	assert.NotContains(t, index.Stats().Available, green, "a pool's series goes with it")
}
