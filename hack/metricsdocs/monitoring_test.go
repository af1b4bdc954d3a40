// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apiserver/pkg/audit/policy"
	"sigs.k8s.io/yaml"
)

// foreign are the metrics of libraries and of others that the alerts and the dashboard use. The integration suite finds
// those in a scrape that a server can show.
var foreign = []string{
	"up",
	"aggregator_unavailable_apiservice",
	"apiserver_flowcontrol_rejected_requests_total", "apiserver_request_duration_seconds", "apiserver_request_total", "apiserver_storage_size_bytes",
	"etcd_disk_wal_fsync_duration_seconds", "etcd_mvcc_db_total_size_in_bytes", "etcd_request_duration_seconds",
	"etcd_server_has_leader", "etcd_server_quota_backend_bytes",
	"kubernetes_healthcheck", "leader_election_master_status",
	"process_cpu_seconds_total", "process_resident_memory_bytes", "rest_client_requests_total",
	"workqueue_depth", "workqueue_queue_duration_seconds",
}

// siblings are metrics of the storage fence, the certificates and the sweep of orphans.
var siblings = []string{
	"sandbox_apiserver_storage_fence_green",
	"sandbox_apiserver_serving_certificate_expiration_timestamp_seconds",
	"sandbox_apiserver_serving_certificate_published",
	"sandbox_apiserver_certificate_authority_expiration_timestamp_seconds",
	"sandbox_apiserver_orphans", "sandbox_apiserver_orphan_sweep_stopped",
}

// rules is what is looked at of a PrometheusRule.
type rules struct {
	Spec struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
}

// dashboard is what is looked at of a dashboard.
type dashboard struct {
	Title  string
	Panels []struct {
		ID      int
		Title   string
		Targets []struct{ Expr string }
	}
	Templating struct {
		List []struct{ Name, Query string }
	}
}

func TestAlerts(t *testing.T) {
	t.Chdir("../..")
	known := knownMetrics(t)
	var alerts rules
	require.NoError(t, yaml.Unmarshal(content(t, "artifacts/monitoring/prometheusrule.yaml"), &alerts))
	seen := 0
	for _, group := range alerts.Spec.Groups {
		for _, alert := range group.Rules {
			seen++
			assert.NotEmpty(t, alert.Alert)
			assert.NotEmpty(t, alert.For, alert.Alert)
			assert.Contains(t, []string{"warning", "critical"}, alert.Labels["severity"], alert.Alert)
			assert.NotEmpty(t, alert.Annotations["summary"], alert.Alert)
			assert.NotEmpty(t, alert.Annotations["description"], alert.Alert)
			page, anchor, _ := strings.Cut(alert.Annotations["runbook_url"], "#")
			assert.Contains(t, headings(t, page), anchor, "%s: its runbook", alert.Alert)
			checkExpression(t, known, alert.Alert, alert.Expr)
		}
	}
	assert.Greater(t, seen, 10)
}

func TestDashboard(t *testing.T) {
	t.Chdir("../..")
	known := knownMetrics(t)
	var board dashboard
	require.NoError(t, json.Unmarshal(content(t, "artifacts/monitoring/dashboard.json"), &board))
	assert.NotEmpty(t, board.Title)
	var ids []int
	for _, panel := range board.Panels {
		assert.NotContains(t, ids, panel.ID, panel.Title)
		ids = append(ids, panel.ID)
		for _, target := range panel.Targets {
			checkExpression(t, known, panel.Title, target.Expr)
		}
	}
	for _, variable := range board.Templating.List {
		if query, ok := strings.CutPrefix(variable.Query, "label_values("); ok {
			checkExpression(t, known, variable.Name, query[:strings.LastIndex(query, ",")])
		}
	}
}

func TestAuditPolicy(t *testing.T) {
	_, err := policy.LoadPolicyFromFile("../../artifacts/audit/policy.yaml")
	assert.NoError(t, err)
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// knownMetrics maps metrics to their labels, nil for those of others.
func knownMetrics(t *testing.T) map[string][]string {
	t.Helper()
	known := map[string][]string{}
	for _, name := range append(siblings, foreign...) {
		known[name] = nil
	}
	own, err := collect("pkg", "cmd")
	require.NoError(t, err)
	for _, m := range own {
		labels := append([]string{}, m.labels...)
		if m.kind == "histogram" {
			labels = append(labels, "le")
		}
		known[m.name] = labels
	}
	return known
}

// headings are the anchors of a page.
func headings(t *testing.T, page string) []string {
	t.Helper()
	var anchors []string
	for line := range strings.Lines(string(content(t, page))) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			anchors = append(anchors, strings.ToLower(strings.TrimSpace(title)))
		}
	}
	return anchors
}

var (
	quoted   = regexp.MustCompile(`"[^"]*"`)
	grouping = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	selector = regexp.MustCompile(`([a-z_][a-z0-9_]*)\s*(?:\{([^}]*)\})?\s*(?:\[[^\]]*\])?\s*(\(?)`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	suffix   = regexp.MustCompile(`_(?:bucket|sum|count)$`)
	words    = []string{"and", "or", "unless", "bool"}
)

// checkExpression finds the metrics of a PromQL expression, and the labels that it selects them by. It is no parser: what
// it takes for a metric and does not know fails the test.
func checkExpression(t *testing.T, known map[string][]string, where, expression string) {
	t.Helper()
	text := grouping.ReplaceAllString(quoted.ReplaceAllString(expression, `""`), " ")
	metrics := 0
	for _, found := range selector.FindAllStringSubmatch(text, -1) {
		name, matchers, call := found[1], found[2], found[3] != ""
		if call || slices.Contains(words, name) {
			continue
		}
		metrics++
		labels, ok := known[name]
		if !ok {
			labels, ok = known[suffix.ReplaceAllString(name, "")]
		}
		if !assert.True(t, ok, "%s: there is no metric %s", where, name) || labels == nil {
			continue
		}
		for _, label := range matcher.FindAllStringSubmatch(matchers, -1) {
			assert.Contains(t, labels, label[1], "%s: labels of %s", where, name)
		}
	}
	assert.Positive(t, metrics, "%s: metrics in %s", where, expression)
	assert.Equal(t, strings.Count(text, "("), strings.Count(text, ")"), "%s: parentheses of %s", where, expression)
}
