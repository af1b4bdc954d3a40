// SPDX-License-Identifier: Apache-2.0

package ha

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRollingRestart restarts every replica in turn while clients go on.
func TestRollingRestart(t *testing.T) {
	ns := env.Space(t)
	prepare(ns)
	load := startLoad(ns, "rolling")
	defer load.finish()
	for round := range *rounds {
		for i, replica := range env.Cluster.Replicas() {
			begin := time.Now()
			require.NoError(t, replica.Stop(t.Context()))
			stopped := time.Now()
			require.NoError(t, replica.Start(t.Context()))
			t.Logf("round %d, replica %d: stopped in %v, serving again %v later", round+1, i+1,
				stopped.Sub(begin).Round(time.Millisecond), time.Since(stopped).Round(time.Millisecond))
		}
	}
	answers := load.finish()
	t.Logf("%s; %s", figures(answers), load.wire)
	load.show(answers)
	assert.Empty(t, failures(answers), "no request fails")
	load.nothingLost()
}
