// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/metrics/testutil"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// get asks the server itself, without kube-apiserver in between.
func get(t *testing.T, config *rest.Config, path string) (code int, body string) {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Host+path, nil)
	require.NoError(t, err)
	answer, err := client.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(content)
}

// series are what one scrape says.
type series struct{ testutil.Metrics }

func scrape(t *testing.T, path string) series {
	t.Helper()
	code, body := get(t, env.Cluster.Server.RESTConfig(), path)
	require.Equal(t, http.StatusOK, code, body)
	found := series{testutil.NewMetrics()}
	require.NoError(t, testutil.ParseMetrics(body, &found.Metrics))
	return found
}

// sum adds what has these labels, given as name, value, name, value; ok says whether there is any.
func (s series) sum(metric string, labels ...string) (sum float64, ok bool) {
	for _, sample := range s.Metrics[metric] {
		matches := true
		for i := 0; i < len(labels); i += 2 {
			matches = matches && string(sample.Metric[testutil.LabelName(labels[i])]) == labels[i+1]
		}
		if matches {
			sum, ok = sum+float64(sample.Value), true
		}
	}
	return sum, ok
}

func (s series) want(value float64, metric string, labels ...string) error {
	if have, ok := s.sum(metric, labels...); !ok || have != value {
		return fmt.Errorf("%s%v is %v (there: %t), not %v", metric, labels, have, ok, value)
	}
	return nil
}

func (s series) atLeast(value float64, metric string, labels ...string) error {
	if have, ok := s.sum(metric, labels...); !ok || have < value {
		return fmt.Errorf("%s%v is %v (there: %t), less than %v", metric, labels, have, ok, value)
	}
	return nil
}

func TestMetricsOfClaimsAndPools(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	newPool(ns, 1)
	claim := func(name string, changes ...func(*v1beta1.SandboxClaim)) error {
		_, err := ns.Claims().Create(t.Context(), harness.Claim(name, "python", changes...), metav1.CreateOptions{})
		return err
	}
	_, err := ns.Claims().Create(t.Context(), harness.Claim("rehearsed", "python", coldStart), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	require.NoError(t, err)
	require.NoError(t, claim("warm", coldStart))
	ns.Eventually("the leader reports the pool, full again", func() error {
		found := scrape(t, "/metrics")
		return errors.Join(
			found.want(1, "sandbox_apiserver_warmpool_desired_replicas", "namespace", ns.Name, "pool", "python"),
			found.want(1, "sandbox_apiserver_warmpool_ready_replicas", "namespace", ns.Name, "pool", "python"),
			found.want(0, "sandbox_apiserver_warmpool_stale_replicas", "namespace", ns.Name, "pool", "python"),
			found.want(1, "sandbox_apiserver_warmpool_available_replicas", "namespace", ns.Name, "pool", "python"),
		)
	})
	_, err = ns.Pools().Patch(t.Context(), "python", "application/merge-patch+json", []byte(`{"spec":{"replicas":0}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	waitFull(ns, 0)
	require.NoError(t, claim("cold", coldStart))
	require.True(t, apierrors.IsTooManyRequests(claim("rejected", func(c *v1beta1.SandboxClaim) { c.Spec.OnEmptyPool = v1beta1.OnEmptyPoolReject })))
	require.NoError(t, claim("waits"))
	require.True(t, apierrors.IsInvalid(claim("nowhere", func(c *v1beta1.SandboxClaim) { c.Spec.WarmPoolRef.Name = "nowhere" })))

	ns.Eventually("the scrape has what was done", func() error {
		found := scrape(t, "/metrics")
		of := func(outcome string) []string {
			return []string{"namespace", ns.Name, "pool", "python", "outcome", outcome}
		}
		return errors.Join(
			found.want(1, "sandbox_apiserver_warmpool_claims_total", of("warm")...),
			found.want(1, "sandbox_apiserver_warmpool_claims_total", of("cold")...),
			found.atLeast(1, "sandbox_apiserver_warmpool_claims_total", of("rejected")...), // a client repeats a 429 by itself
			found.want(1, "sandbox_apiserver_warmpool_claims_total", of("waiting")...),
			found.want(1, "sandbox_apiserver_warmpool_waiting_claims", "namespace", ns.Name, "pool", "python"),
			found.atLeast(1, "sandbox_apiserver_claim_duration_seconds_count", "outcome", "warm"),
			found.atLeast(1, "sandbox_apiserver_claim_duration_seconds_count", "outcome", "cold"),
			found.atLeast(1, "sandbox_apiserver_claim_duration_seconds_count", "outcome", "rejected"),
			found.atLeast(1, "sandbox_apiserver_claim_duration_seconds_count", "outcome", "refused"),
			found.atLeast(2, "sandbox_apiserver_transaction_duration_seconds_count", "result", "committed"),
			found.atLeast(2, "sandbox_apiserver_sandboxes", "state", "running", "claimed", "true"),
			found.atLeast(1, "sandbox_apiserver_warmpool_refill_duration_seconds_count"),
		)
	})
	_, invented := scrape(t, "/metrics").sum("sandbox_apiserver_warmpool_claims_total", "pool", "nowhere")
	assert.False(t, invented, "nobody makes a series by naming a pool")

	for _, name := range []string{"warm", "cold", "waits"} {
		require.NoError(t, ns.Claims().Delete(t.Context(), name, metav1.DeleteOptions{}))
	}
	require.NoError(t, ns.Pools().Delete(t.Context(), "python", metav1.DeleteOptions{}))
	ns.Eventually("the series of the pool are gone", func() error { return scrape(t, "/metrics").noPoolOf(ns.Name) })
}

// noPoolOf finds a series of a pool in the namespace.
func (s series) noPoolOf(namespace string) error {
	for metric, samples := range s.Metrics {
		for _, sample := range samples {
			if string(sample.Metric["namespace"]) == namespace && sample.Metric["pool"] != "" {
				return fmt.Errorf("%s of %v", metric, sample.Metric)
			}
		}
	}
	return nil
}

func TestMetricsOfTheLibraries(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	ns.WaitReady("dev")
	ns.Eventually("everything that alerts and the dashboard use is reported", func() error {
		found, health := scrape(t, "/metrics"), scrape(t, "/metrics/slis")
		errs := []error{
			found.want(1, "leader_election_master_status", "name", "sandbox-system/sandbox-apiserver"),
			found.want(1, "etcd_server_has_leader"),
			found.atLeast(1, "etcd_mvcc_db_total_size_in_bytes"),
			found.atLeast(1, "etcd_server_quota_backend_bytes"),
			found.atLeast(1, "etcd_disk_wal_fsync_duration_seconds_count"),
			found.atLeast(1, "etcd_request_duration_seconds_bucket", "operation", "create", "le", "+Inf"),
			found.atLeast(1, "apiserver_storage_size_bytes"),
			found.atLeast(1, "apiserver_request_total", "resource", "sandboxes"),
			found.atLeast(1, "apiserver_request_duration_seconds_count", "resource", "sandboxes"),
			found.atLeast(1, "rest_client_requests_total"),
			found.atLeast(1, "process_resident_memory_bytes"),
			found.atLeast(0, "process_cpu_seconds_total"),
			health.want(1, "kubernetes_healthcheck", "type", "readyz", "name", "etcd-alarms"),
		}
		for _, controller := range []string{"sandbox", "template", "warmpool", "claim"} {
			errs = append(errs, found.atLeast(0, "workqueue_depth", "name", controller), found.atLeast(0, "workqueue_queue_duration_seconds_count", "name", controller))
		}
		return errors.Join(append(errs, found.atLeast(1, "sandbox_apiserver_controller_sync_duration_seconds_count", "controller", "sandbox", "result", "success"))...)
	})
}

func TestMetricsReader(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	role, err := os.ReadFile("../../artifacts/monitoring/clusterrole.yaml")
	require.NoError(t, err)
	ns.MustKubectl(string(role), "apply", "-f", "-")
	_, err = env.Kube.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: ns.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "sandbox-apiserver-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns.Name, Name: "prometheus"}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)

	prometheus, stranger := as(ns, "prometheus"), as(ns, "stranger")
	for _, path := range []string{"/metrics", "/metrics/slis"} {
		code, _ := get(t, prometheus, path)
		assert.Equal(t, http.StatusOK, code, path)
		code, _ = get(t, stranger, path)
		assert.Equal(t, http.StatusForbidden, code, path)
	}
	code, _ := get(t, prometheus, "/debug/pprof/goroutine")
	assert.Equal(t, http.StatusForbidden, code, "metrics are all that it may read")
}

// as makes a ServiceAccount and reaches the server as it.
func as(ns *harness.Space, name string) *rest.Config {
	ns.T.Helper()
	accounts := env.Kube.CoreV1().ServiceAccounts(ns.Name)
	_, err := accounts.Create(ns.T.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	token, err := accounts.CreateToken(ns.T.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	config := rest.AnonymousClientConfig(env.Cluster.Server.RESTConfig())
	config.BearerToken = token.Status.Token
	return config
}
