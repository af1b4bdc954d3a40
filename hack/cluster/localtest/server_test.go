// SPDX-License-Identifier: Apache-2.0

package localtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
)

// TestLocalClusterServer is the promise of package local's documentation about the server.
func TestLocalClusterServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane, and builds it if need be")
	}
	t.Setenv(stubVariable, "yes")
	program, err := os.Executable()
	require.NoError(t, err)
	cluster := Start(t, local.Options{ServerBinary: program, CertificateFiles: true, Nodes: 1, Log: t.Output()})
	ctx := t.Context()

	t.Run("it is served through kube-apiserver", func(t *testing.T) { assert.Equal(t, "v1beta1", served(t, cluster)) })
	t.Run("it is its ServiceAccount", func(t *testing.T) { testIdentity(t, cluster) })
	t.Run("killed and wiped it comes back at its address", func(t *testing.T) {
		address, pid := cluster.Server.Address(), cluster.Server.PID()
		marker := filepath.Join(cluster.Server.DataDir(), "marker")
		require.FileExists(t, marker)
		require.Error(t, cluster.Server.WipeData(), "a running server keeps its data")
		require.NoError(t, cluster.Server.Kill(ctx))
		assert.False(t, cluster.Server.Running())
		assert.Zero(t, cluster.Server.PID())
		require.NoError(t, cluster.Server.Kill(ctx), "killing twice is harmless")
		require.NoError(t, cluster.Server.WipeData())
		assert.NoFileExists(t, marker)
		require.NoError(t, cluster.Server.Start(ctx))
		assert.Equal(t, address, cluster.Server.Address())
		assert.NotEqual(t, pid, cluster.Server.PID())
		assert.Equal(t, "v1beta1", served(t, cluster))
	})
	t.Run("stopped it ends by itself", func(t *testing.T) {
		require.NoError(t, cluster.Server.Restart(ctx))
		log, err := os.ReadFile(cluster.Server.LogPath())
		require.NoError(t, err)
		assert.Contains(t, string(log), farewell)
	})
	t.Run("a dead one is found missing, and started again", func(t *testing.T) {
		record := cluster.Processes()["sandbox-apiserver"]
		require.NoError(t, record.Signal(9))
		require.Eventually(t, func() bool { return len(cluster.Missing()) == 1 }, timeout, pollInterval)
		again, err := local.Start(ctx, local.Options{Dir: cluster.Dir(), ServerBinary: program, Nodes: 1, Detached: true})
		require.NoError(t, err)
		assert.Empty(t, again.Missing())
		assert.NotEqual(t, record, again.Processes()["sandbox-apiserver"])
		cluster.Server = again.Server
	})
	t.Run("one that ends at once says why", func(t *testing.T) {
		t.Setenv(stubVariable, "broken")
		require.NoError(t, cluster.Server.Stop(ctx))
		require.ErrorContains(t, cluster.Server.Start(ctx), brokenMessage)
	})
	t.Run("the guard ends it all", func(t *testing.T) { testGuard(t, cluster.Dir()) })
}

// served asks for the API as any client does.
func served(t *testing.T, cluster *local.Cluster) string {
	t.Helper()
	client, err := kubernetes.NewForConfig(cluster.RESTConfig())
	require.NoError(t, err)
	list, err := client.Discovery().ServerResourcesForGroupVersion("sandbox.agents.x-k8s.io/v1beta1")
	require.NoError(t, err)
	return list.GroupVersion[len("sandbox.agents.x-k8s.io/"):]
}

// testIdentity checks the rights of artifacts/base from where they are used.
func testIdentity(t *testing.T, cluster *local.Cluster) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Server.Kubeconfig())
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	may := func(attributes authorizationv1.ResourceAttributes) bool {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &attributes}}
		review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
		require.NoError(t, err)
		return review.Status.Allowed
	}
	for name, tc := range map[string]struct {
		attributes authorizationv1.ResourceAttributes
		want       bool
	}{
		"Pods anywhere":              {authorizationv1.ResourceAttributes{Verb: "create", Resource: "pods", Namespace: "default"}, true},
		"NetworkPolicies":            {authorizationv1.ResourceAttributes{Verb: "update", Group: "networking.k8s.io", Resource: "networkpolicies", Namespace: "x"}, true},
		"the election":               {authorizationv1.ResourceAttributes{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Name: "sandbox-apiserver", Namespace: local.SystemNamespace}, true},
		"kube-apiserver's proof":     {authorizationv1.ResourceAttributes{Verb: "get", Resource: "configmaps", Name: "extension-apiserver-authentication", Namespace: "kube-system"}, true},
		"asking who may do what":     {authorizationv1.ResourceAttributes{Verb: "create", Group: "authorization.k8s.io", Resource: "subjectaccessreviews"}, true},
		"blocking an owner":          {authorizationv1.ResourceAttributes{Verb: "update", Group: "sandbox.agents.x-k8s.io", Resource: "sandboxes", Subresource: "finalizers", Namespace: "x"}, true},
		"its authority":              {authorizationv1.ResourceAttributes{Verb: "update", Resource: "secrets", Name: local.AuthoritySecret, Namespace: local.SystemNamespace}, true},
		"watching its authority":     {authorizationv1.ResourceAttributes{Verb: "watch", Resource: "secrets", Name: local.AuthoritySecret, Namespace: local.SystemNamespace}, true},
		"its APIService":             {authorizationv1.ResourceAttributes{Verb: "patch", Group: "apiregistration.k8s.io", Resource: "apiservices", Name: local.APIServiceName}, true},
		"no other APIService":        {authorizationv1.ResourceAttributes{Verb: "patch", Group: "apiregistration.k8s.io", Resource: "apiservices", Name: "v1.apps"}, false},
		"no other Secret of its own": {authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets", Name: "other", Namespace: local.SystemNamespace}, false},
		"no Secrets":                 {authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets", Namespace: "default"}, false},
		"no ConfigMaps elsewhere":    {authorizationv1.ResourceAttributes{Verb: "get", Resource: "configmaps", Namespace: "default"}, false},
		"no exec":                    {authorizationv1.ResourceAttributes{Verb: "create", Resource: "pods", Subresource: "exec", Namespace: "default"}, false},
		"no election of others":      {authorizationv1.ResourceAttributes{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Namespace: "kube-system"}, false},
		"no nodes but to look at":    {authorizationv1.ResourceAttributes{Verb: "delete", Resource: "nodes"}, false},
		"no rights for anybody else": {authorizationv1.ResourceAttributes{Verb: "create", Group: "rbac.authorization.k8s.io", Resource: "clusterrolebindings"}, false},
	} {
		assert.Equal(t, tc.want, may(tc.attributes), name)
	}
}

// testGuard closes the guard's input as the death of a process would.
func testGuard(t *testing.T, dir string) {
	t.Helper()
	cluster, err := local.Open(dir)
	require.NoError(t, err)
	processes := cluster.Processes()
	require.NotEmpty(t, processes)

	released, ends, err := os.Pipe()
	require.NoError(t, err)
	_, err = ends.WriteString("released\n")
	require.NoError(t, err)
	require.NoError(t, local.Guard(context.Background(), dir, released))
	for name, record := range processes {
		assert.True(t, record.Alive(), "%s survives a guard that was released", name)
	}
	require.NoError(t, ends.Close())
	require.NoError(t, local.Guard(context.Background(), dir, released))
	for name, record := range processes {
		assert.False(t, record.Alive(), "%s does not survive the one it is guarded for", name)
	}
}
