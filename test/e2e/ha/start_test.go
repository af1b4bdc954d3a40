// SPDX-License-Identifier: Apache-2.0

package ha

import (
	"context"
	"net/http"
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
	const everyMoment = time.Millisecond
	replica := env.Cluster.Replicas()[0]
	probe := newProbe(t, replica)
	for range 3 {
		require.NoError(t, replica.Kill(t.Context()))
		require.NoError(t, replica.Launch())
		codes := map[int]int{}
		err := wait.PollUntilContextTimeout(t.Context(), everyMoment, harness.Timeout, true, func(context.Context) (bool, error) {
			code := probe.status("/apis/sandbox.agents.x-k8s.io/v1beta1/sandboxtemplates")
			codes[code]++
			return code == http.StatusOK, nil
		})
		require.NoError(t, err)
		t.Logf("answers by status, 0 is none: %v", codes)
		assert.NotContains(t, codes, http.StatusForbidden)
		assert.NotContains(t, codes, http.StatusUnauthorized)
	}
	require.NoError(t, replica.Start(t.Context()))
}
