// SPDX-License-Identifier: Apache-2.0

package ha

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/wait"

	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestStartKnowsItsUsers asks a replica that starts from the first moment on: whoever
// shows a certificate is never taken for anonymous.
func TestStartKnowsItsUsers(t *testing.T) {
	const clients, starts = 8, 3
	replica := env.Cluster.Replicas()[0]
	for range starts {
		require.NoError(t, replica.Kill(t.Context()))
		require.NoError(t, replica.Launch())
		var asking sync.WaitGroup
		codes := make([]map[int]int, clients)
		for i := range codes {
			probe := newProbe(t, replica)
			asking.Go(func() { codes[i] = askUntilServed(probe) })
		}
		asking.Wait()
		t.Logf("answers by status, 0 is none: %v", codes)
		for _, seen := range codes {
			assert.NotZero(t, seen[http.StatusOK])
			assert.NotContains(t, seen, http.StatusForbidden)
			assert.NotContains(t, seen, http.StatusUnauthorized)
		}
	}
	require.NoError(t, replica.Start(t.Context()))
}

// askUntilServed asks every moment until there is a good answer, and counts all by status.
func askUntilServed(p probe) map[int]int {
	const everyMoment = time.Millisecond
	codes := map[int]int{}
	// Without a good answer at the end the counts say so.
	_ = wait.PollUntilContextTimeout(p.t.Context(), everyMoment, harness.Timeout, true, func(context.Context) (bool, error) {
		code := p.status("/apis/sandbox.agents.x-k8s.io/v1beta1/sandboxtemplates") //nolint:contextcheck // probes have the context of the test
		codes[code]++
		return code == http.StatusOK, nil
	})
	return codes
}
