// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// fencedFor is how long a red server is watched: go test ./test/e2e -run Etcd -fence.watch=5m.
var fencedFor = flag.Duration("fence.watch", 45*time.Second, "how long TestEmptyEtcd and TestRewoundEtcd watch that nothing is deleted behind a red server")

// storageMark is the ConfigMap that the server compares its etcd with.
func storageMark(ns *harness.Space) *corev1.ConfigMap {
	ns.T.Helper()
	mark, err := ns.Kube.CoreV1().ConfigMaps(local.SystemNamespace).Get(ns.T.Context(), "sandbox-apiserver-storage", metav1.GetOptions{})
	require.NoError(ns.T, err)
	return mark
}

// TestRewoundEtcd puts yesterday's data under a server: what was made since then lives on,
// and the server serves nothing until somebody says that it may.
func TestRewoundEtcd(t *testing.T) {
	ns := env.Space(t)
	populate(ns)
	data, backup := env.Cluster.Server.DataDir(), filepath.Join(t.TempDir(), "backup")
	require.NoError(t, env.Cluster.Server.Stop(t.Context()))
	require.NoError(t, os.CopyFS(backup, os.DirFS(data)))
	require.NoError(t, env.Cluster.Server.Start(t.Context()))
	ns.Create(harness.Sandbox("late", harness.WithDisk("data")))
	ns.WaitReady("late")
	ns.WaitForCollector()
	before, err := children(ns)
	require.NoError(t, err)
	require.NoError(t, env.Cluster.Server.Stop(t.Context()))
	require.NoError(t, env.Cluster.Server.WipeData())
	require.NoError(t, os.CopyFS(data, os.DirFS(backup)))
	require.NoError(t, env.Cluster.Server.Launch())
	watchFenced(ns, "Rewound", before)

	recorded := storageMark(ns).Data["epoch"]
	confirm(ns)
	ns.WaitGone("the Sandbox that the backup does not know", ns.GetSandbox("late"))
	ns.WaitReady("running")
	ns.WaitSuspended("suspended")
	require.NoError(t, remain(ns, before))

	// The flag stays in the manifest, and has been used up.
	require.NoError(t, env.Cluster.Server.Stop(t.Context()))
	require.NoError(t, env.Cluster.Server.WipeData())
	require.NoError(t, os.CopyFS(data, os.DirFS(backup)))
	require.NoError(t, env.Cluster.Server.Launch("--confirm-storage-epoch="+recorded))
	waitFenced(ns, "EpochDiffers")
	confirm(ns)
	require.NoError(t, env.Cluster.Server.Restart(t.Context()))
	require.NoError(t, remain(ns, before))
	ns.WaitReady("running")
}

// confirm starts the server with the flag that accepts the etcd that there is.
func confirm(ns *harness.Space) {
	ns.T.Helper()
	recorded := storageMark(ns).Data["epoch"]
	require.NoError(ns.T, env.Cluster.Server.Stop(ns.T.Context()))
	require.NoError(ns.T, env.Cluster.Server.Start(ns.T.Context(), "--confirm-storage-epoch="+recorded))
	require.NotEqual(ns.T, recorded, storageMark(ns).Data["epoch"])
}

// watchFenced watches that a red server keeps everybody from acting on what it does not have.
func watchFenced(ns *harness.Space, reason string, before map[string]types.UID) {
	ns.T.Helper()
	waitFenced(ns, reason)
	ns.Always("nothing is served and nothing is deleted", *fencedFor, func() error {
		return errors.Join(fenced(ns, reason), remain(ns, before))
	})
	warnings, err := ns.Kube.EventsV1().Events(local.SystemNamespace).List(ns.T.Context(), metav1.ListOptions{FieldSelector: "reason=Storage" + reason})
	require.NoError(ns.T, err)
	require.NotEmpty(ns.T, warnings.Items)
}

func waitFenced(ns *harness.Space, reason string) {
	ns.T.Helper()
	ns.Eventually("the server is fenced: "+reason, func() error { return fenced(ns, reason) })
}

// fenced says what is wrong with a server that should be red: everything is 503, to
// clients of the cluster and to those that reach the process, and its health tells why.
func fenced(ns *harness.Space, reason string) error {
	const group = "/apis/" + v1beta1.GroupName
	version := group + "/v1beta1"
	through := func(config *rest.Config, paths ...string) (errs []error) {
		for _, path := range paths {
			code, body, err := get(ns, config, path)
			if err == nil && (code != http.StatusServiceUnavailable || config.Host != ns.Cluster.RESTConfig().Host && !strings.Contains(body, reason)) {
				err = fmt.Errorf("GET %s%s: %d %.200s", config.Host, path, code, body)
			}
			errs = append(errs, err)
		}
		return errs
	}
	errs := through(ns.Cluster.RESTConfig(), version, version+"/sandboxes", ns.Path("sandboxes"), ns.Path("sandboxes/running"))
	direct := env.Cluster.Server.RESTConfig()
	errs = append(errs, through(direct, "/", "/api", "/apis", group, version, "/openapi/v2", "/openapi/v3", "/version",
		version+"/sandboxes", ns.Path("sandboxes/running"), ns.Path("sandboxes")+"?watch=true")...)
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/livez":                {http.StatusOK, ""},
		"/readyz":               {http.StatusInternalServerError, "[-]storage-fence"},
		"/readyz/storage-fence": {http.StatusInternalServerError, reason},
		"/metrics":              {http.StatusOK, fmt.Sprintf("sandbox_apiserver_storage_fence_green{reason=%q} 0", reason)},
	} {
		code, body, err := get(ns, direct, path)
		if err == nil && (code != want.code || !strings.Contains(body, want.text)) {
			err = fmt.Errorf("GET %s: %d without %q", path, code, want.text)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// get asks once: client-go would wait and ask again.
func get(ns *harness.Space, config *rest.Config, path string) (int, string, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return 0, "", err
	}
	request, err := http.NewRequestWithContext(ns.T.Context(), http.MethodGet, config.Host+path, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}
