// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// Metrics passes on what the member of this process reports of itself: its database, its disk, its log. etcd registers with
// the process's default registry; what others have put there, and etcd's own gRPC servers, are left out.
type Metrics struct {
	// From is prometheus.DefaultGatherer, but for tests.
	From prometheus.Gatherer
}

// Describe implements prometheus.Collector. It names nothing: what there is depends on the version of etcd.
func (Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m Metrics) Collect(ch chan<- prometheus.Metric) {
	families, err := m.From.Gather()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
	}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "etcd_") {
			continue
		}
		for _, metric := range family.GetMetric() {
			ch <- passed{desc: describe(family, metric), metric: metric}
		}
	}
}

func describe(family *dto.MetricFamily, metric *dto.Metric) *prometheus.Desc {
	labels := make([]string, 0, len(metric.GetLabel()))
	for _, pair := range metric.GetLabel() {
		labels = append(labels, pair.GetName())
	}
	return prometheus.NewDesc(family.GetName(), family.GetHelp(), labels, nil)
}

// passed is a metric as it was gathered elsewhere.
type passed struct {
	desc   *prometheus.Desc
	metric *dto.Metric
}

func (p passed) Desc() *prometheus.Desc { return p.desc }

func (p passed) Write(out *dto.Metric) error {
	proto.Merge(out, p.metric)
	return nil
}
