// SPDX-License-Identifier: Apache-2.0

package ha

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

var experiment = flag.Bool("ha.experiment", false, "")

var generation int

func reconnect(ctx context.Context, t *testing.T) {
	apis := env.Dynamic.Resource(schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"})
	generation++
	bundle := []byte(fmt.Sprintf("# connections %d\n", generation))
	bundle = append(bundle, bundlePEM...)
	patch := fmt.Sprintf(`{"spec":{"caBundle":%q}}`, base64.StdEncoding.EncodeToString(bundle))
	_, err := apis.Patch(ctx, "v1beta1.sandbox.agents.x-k8s.io", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	assert.NoError(t, err)
}

var bundlePEM []byte

// TestRollingRestart restarts every replica in turn while clients go on.
func TestRollingRestart(t *testing.T) {
	ns := env.Space(t)
	prepare(ns)
	apis := env.Dynamic.Resource(schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"})
	o, err := apis.Get(t.Context(), "v1beta1.sandbox.agents.x-k8s.io", metav1.GetOptions{})
	require.NoError(t, err)
	bundlePEM, err = base64.StdEncoding.DecodeString(o.Object["spec"].(map[string]any)["caBundle"].(string))
	require.NoError(t, err)
	load := startLoad(ns, "rolling")
	defer load.finish()
	for round := range *rounds {
		for i, replica := range env.Cluster.Replicas() {
			begin := time.Now()
			if *experiment {
				go func() {
					_ = wait.PollUntilContextTimeout(t.Context(), 2*time.Second, 3*time.Second, false, func(ctx context.Context) (bool, error) { return true, nil })
					reconnect(t.Context(), t)
				}()
			}
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
