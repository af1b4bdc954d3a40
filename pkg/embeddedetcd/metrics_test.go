// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMetricsPassOnWhatEtcdReports(t *testing.T) {
	registry := prometheus.NewRegistry()
	size := prometheus.NewGauge(prometheus.GaugeOpts{Name: "etcd_mvcc_db_total_size_in_bytes", Help: "Size."})
	fsync := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "etcd_disk_wal_fsync_duration_seconds", Help: "Fsync.", Buckets: []float64{1, 2}})
	labelled := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "etcd_server_id", Help: "Id."}, []string{"server_id"})
	foreign := prometheus.NewGauge(prometheus.GaugeOpts{Name: "go_goroutines", Help: "Another."})
	registry.MustRegister(size, fsync, labelled, foreign)
	size.Set(4096)
	fsync.Observe(1.5)
	labelled.WithLabelValues("abc").Inc()
	labelled.WithLabelValues("def").Inc()

	assert.NoError(t, testutil.CollectAndCompare(Metrics{From: registry}, strings.NewReader(`
# HELP etcd_disk_wal_fsync_duration_seconds Fsync.
# TYPE etcd_disk_wal_fsync_duration_seconds histogram
etcd_disk_wal_fsync_duration_seconds_bucket{le="1"} 0
etcd_disk_wal_fsync_duration_seconds_bucket{le="2"} 1
etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 1
etcd_disk_wal_fsync_duration_seconds_sum 1.5
etcd_disk_wal_fsync_duration_seconds_count 1
# HELP etcd_mvcc_db_total_size_in_bytes Size.
# TYPE etcd_mvcc_db_total_size_in_bytes gauge
etcd_mvcc_db_total_size_in_bytes 4096
# HELP etcd_server_id Id.
# TYPE etcd_server_id counter
etcd_server_id{server_id="abc"} 1
etcd_server_id{server_id="def"} 1
`)))
}

func TestMetricsTellWhatWentWrong(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(Metrics{From: prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return nil, errors.New("no luck")
	})}))
	_, err := registry.Gather()
	assert.ErrorContains(t, err, "no luck")
}
