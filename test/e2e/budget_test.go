// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

const (
	budgetClaims = 100
	// The budget of a warm claim, its replenishment included: the claim, the new
	// Sandbox and two of its statuses in our etcd; a Pod and its labels in the
	// cluster's.
	ownWrites, clusterWrites = 4, 2
	// sliceWrites give new Pods their names in DNS, several at a time where claims come
	// one after the other.
	sliceWrites = 1
	// background are the writes that have nothing to do with claims: the
	// compactor's mark once a minute.
	background = 3
)

// TestWriteBudgetOfAWarmClaim counts revisions of our etcd and the writes that
// kube-apiserver has seen from us.
func TestWriteBudgetOfAWarmClaim(t *testing.T) {
	ns := env.Space(t)
	_, err := ns.Templates().Create(t.Context(), harness.Template("python"), metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = ns.Pools().Create(t.Context(), harness.Pool("python", "python", func(p *v1beta1.SandboxWarmPool) { p.Spec.Replicas = ptr.To[int32](20) }), metav1.CreateOptions{})
	require.NoError(t, err)
	waitSettled(ns, 0)

	ownBefore, clusterBefore, slicesBefore := revision(ns), writesToCluster(ns), countWrites(ns, "endpointslices")
	for i := range budgetClaims {
		claim, err := ns.Pools().Claim(t.Context(), "python", harness.Claim(fmt.Sprintf("claim-%d", i), ""), metav1.CreateOptions{})
		require.NoError(t, err)
		if claim.Status.Sandbox == nil {
			waitSettled(ns, i)
			continue
		}
		require.Equal(t, v1beta1.LaunchWarm, claim.Status.Sandbox.LaunchType)
	}
	waitSettled(ns, budgetClaims)

	own, cluster, names := revision(ns)-ownBefore, writesToCluster(ns)-clusterBefore, countWrites(ns, "endpointslices")-slicesBefore
	t.Logf("%d warm claims: %d writes in our etcd (%.2f a claim), %d writes by us in the cluster (%.2f a claim), and %d of EndpointSlices (%.2f a claim)",
		budgetClaims, own, float64(own)/budgetClaims, cluster, float64(cluster)/budgetClaims, names, float64(names)/budgetClaims)
	assert.LessOrEqual(t, own, ownWrites*budgetClaims+background)
	assert.LessOrEqual(t, cluster, clusterWrites*budgetClaims+background)
	assert.LessOrEqual(t, names, sliceWrites*budgetClaims+background)
}

// waitSettled waits until the pool is full, every claim that was made is bound,
// and every Pod of a claim carries its label.
func waitSettled(ns *harness.Space, claims int) {
	ns.T.Helper()
	ns.Eventually("the pool is full and every claim followed", func() error {
		pool, err := ns.Pools().Get(ns.T.Context(), "python", metav1.GetOptions{})
		if err != nil || pool.Status.ReadyReplicas < 20 {
			return fmt.Errorf("status %+v: %w", pool.Status, err)
		}
		pods, err := ns.Pods().List(ns.T.Context(), metav1.ListOptions{LabelSelector: v1beta1.ClaimLabel})
		if err == nil && len(pods.Items) < claims {
			err = fmt.Errorf("%d of %d Pods carry their claim", len(pods.Items), claims)
		}
		return err
	})
}

// revision is that of our etcd, which moves by one with every transaction.
func revision(ns *harness.Space) int {
	ns.T.Helper()
	list, err := ns.Sandboxes().List(ns.T.Context(), metav1.ListOptions{Limit: 1})
	require.NoError(ns.T, err)
	value, err := strconv.Atoi(list.ResourceVersion)
	require.NoError(ns.T, err)
	return value
}

// writesToCluster counts what only our controllers write: Pods (the scheduler
// and the nodes write subresources), Services, disks, policies, and our Events.
func writesToCluster(ns *harness.Space) int {
	ns.T.Helper()
	events, err := ns.Kube.EventsV1().Events(ns.Name).List(ns.T.Context(), metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("reportingController", "sandbox-apiserver").String(),
	})
	require.NoError(ns.T, err)
	return countWrites(ns, "pods", "services", "persistentvolumeclaims", "networkpolicies") + len(events.Items)
}

// countWrites counts the writes of resources that kube-apiserver has answered.
func countWrites(ns *harness.Space, resources ...string) int {
	ns.T.Helper()
	metrics, err := ns.Kube.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(ns.T.Context())
	require.NoError(ns.T, err)
	total := 0
	for line := range strings.Lines(string(metrics)) {
		if !strings.HasPrefix(line, "apiserver_request_total{") || !written(line, resources) {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, '}')+1:]), 64)
		require.NoError(ns.T, err)
		total += int(value)
	}
	return total
}

func written(line string, resources []string) bool {
	has := func(label, value string) bool { return strings.Contains(line, fmt.Sprintf("%s=%q", label, value)) }
	one := func(label string, values []string) bool {
		return slices.ContainsFunc(values, func(value string) bool { return has(label, value) })
	}
	return has("subresource", "") && has("dry_run", "") && strings.Contains(line, `code="2`) &&
		one("resource", resources) && one("verb", []string{"POST", "PUT", "PATCH", "APPLY", "DELETE"})
}
