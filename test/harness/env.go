// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned"
)

// Env is a cluster and an administrator's clients. The clients are safe for concurrent use.
type Env struct {
	Cluster *local.Cluster
	// Client is the generated clientset: it speaks protobuf.
	Client versioned.Interface
	// Kube is for everything but our own group.
	Kube kubernetes.Interface
	// Dynamic speaks JSON and knows no types.
	Dynamic dynamic.Interface
}

func newEnv(cluster *local.Cluster) (*Env, error) {
	env := &Env{Cluster: cluster}
	var err error
	if env.Client, err = versioned.NewForConfig(cluster.RESTConfig()); err != nil {
		return nil, fmt.Errorf("making the client of our group: %w", err)
	}
	if env.Kube, err = kubernetes.NewForConfig(cluster.RESTConfig()); err != nil {
		return nil, fmt.Errorf("making the client of the cluster: %w", err)
	}
	if env.Dynamic, err = dynamic.NewForConfig(cluster.RESTConfig()); err != nil {
		return nil, fmt.Errorf("making the dynamic client: %w", err)
	}
	return env, nil
}

// As returns a client of our group that is somebody else.
func (e *Env) As(tb testing.TB, user string) versioned.Interface {
	tb.Helper()
	config := e.Cluster.RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	client, err := versioned.NewForConfig(config)
	require.NoError(tb, err)
	return client
}

// Space returns a namespace of the test's own. It is deleted at the end, unless the
// test has failed: then all that it holds is logged.
func (e *Env) Space(tb testing.TB) *Space {
	tb.Helper()
	space := &Space{Env: e, T: tb, Name: e.createNamespace(tb)}
	tb.Cleanup(space.end)
	space.Eventually("the ServiceAccount default exists", func() error {
		_, err := e.Kube.CoreV1().ServiceAccounts(space.Name).Get(tb.Context(), "default", metav1.GetOptions{})
		return err
	})
	return space
}
