// SPDX-License-Identifier: Apache-2.0

package certificates

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

const (
	// workers make, read and delete objects for as long as a test lasts.
	workers = 8
	// fewest is what a load must have done to be one.
	fewest = 200
)

// counted counts what HTTP itself says, below any retry of client-go.
type counted struct {
	next            http.RoundTripper
	requests, worse *atomic.Int64
}

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(r)
	c.requests.Add(1)
	if err == nil && response.StatusCode >= http.StatusTooManyRequests {
		c.worse.Add(1)
	}
	return response, err
}

// underLoad runs what while clients write and read through the aggregation layer, none of whose requests may fail.
func underLoad(t *testing.T, what func()) {
	t.Helper()
	space := env.Space(t)
	var requests, worse, failed atomic.Int64
	config := env.Cluster.RESTConfig()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counted{next, &requests, &worse} })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	for worker := range workers {
		client := clientOf(t, config)
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := story(context.WithoutCancel(ctx), client, space.Name, fmt.Sprintf("load-%d-%d", worker, i)); err != nil {
					failed.Add(1)
					t.Errorf("worker %d: %v", worker, err)
				}
			}
		})
	}
	what()
	harness.Eventually(t, "it was a load", func() error {
		if done := requests.Load(); done < fewest {
			return fmt.Errorf("%d requests", done)
		}
		return nil
	})
	stop()
	running.Wait()
	t.Logf("%d requests, %d answered with 429 or 5xx, %d failed", requests.Load(), worse.Load(), failed.Load())
	assert.Zero(t, worse.Load(), "not even one that is tried again")
}

func clientOf(t *testing.T, config *rest.Config) versioned.Interface {
	t.Helper()
	client, err := versioned.NewForConfig(config)
	require.NoError(t, err)
	return client
}

// story is the life of an object that makes no Pod.
func story(ctx context.Context, client versioned.Interface, namespace, name string) error {
	sandboxes := client.SandboxV1beta1().Sandboxes(namespace)
	if _, err := sandboxes.Create(ctx, harness.Sandbox(name, harness.Suspended), metav1.CreateOptions{}); err != nil {
		return err
	}
	if _, err := sandboxes.Get(ctx, name, metav1.GetOptions{}); err != nil {
		return err
	}
	return sandboxes.Delete(ctx, name, metav1.DeleteOptions{})
}
