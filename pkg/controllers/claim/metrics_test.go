// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/metrics/testutil"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestWaitingClaimsAreCounted(t *testing.T) {
	registerMetrics()
	waitingClaims.Reset()
	const header = "# HELP sandbox_apiserver_warmpool_waiting_claims [BETA] Claims that wait for a Sandbox, by namespace and pool. Only the leader counts; a pool for which none waits has no series.\n" +
		"# TYPE sandbox_apiserver_warmpool_waiting_claims gauge\n"
	check := func(want string) {
		require.NoError(t, testutil.GatherAndCompare(legacyregistry.DefaultGatherer, strings.NewReader(want), "sandbox_apiserver_warmpool_waiting_claims"))
	}

	h := newSyncedHarness(t, newPool(), queued("x", 0), queued("y", 0), queued("over", 0, ending(-time.Second, retain)))
	h.mustServe()
	check(header + `sandbox_apiserver_warmpool_waiting_claims{namespace="team",pool="python"} 2` + "\n")

	h = newSyncedHarness(t, newPool())
	h.mustServe()
	check("")
}

func TestColdStartsAreMeasured(t *testing.T) {
	tests := map[string]struct {
		claim   *v1beta1.SandboxClaim
		seen    observed
		measure bool
	}{
		"cold, up":               {newClaim(cold), see(newSandbox()), true},
		"cold, stored at a turn": {newClaim(cold, createdAt(time.Minute+time.Second)), see(newSandbox()), true},
		"cold, not yet":          {newClaim(cold), see(newSandbox(silent)), false},
		"warm":                   {newClaim(), see(newSandbox()), false},
		"resumed":                {newClaim(cold, createdAt(time.Hour)), see(newSandbox()), false},
		"Ready before":           {newClaim(cold, func(c *v1beta1.SandboxClaim) { c.Status.Conditions[1].Status = metav1.ConditionTrue }), see(newSandbox()), false},
		"waiting":                {newClaim(inQueue), see(newPool()), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			registerMetrics()
			before := coldStarts(t)
			observeReady(test.claim, statusNow(test.claim, test.seen), now)
			if test.measure {
				assert.Equal(t, before+1, coldStarts(t))
			} else {
				assert.Equal(t, before, coldStarts(t))
			}
		})
	}
}

func coldStarts(t *testing.T) uint64 {
	t.Helper()
	histograms, err := testutil.GetHistogramVecFromGatherer(legacyregistry.DefaultGatherer, "sandbox_apiserver_claim_cold_start_duration_seconds", nil)
	require.NoError(t, err)
	return histograms.GetAggregatedSampleCount()
}
