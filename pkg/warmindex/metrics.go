// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"maps"

	"k8s.io/component-base/metrics"
)

// Stats is a snapshot of an Index.
type Stats struct {
	// Available counts the available Sandboxes of each pool; tracked pools are there when empty.
	Available map[Key]int
	// Answered counts the claims of each tracked pool by outcome, as Count was told.
	Answered map[Key]map[string]uint64
	// Reserved counts the reservations that have not been ended.
	Reserved int

	ended map[result]uint64
}

// Stats takes a snapshot, in a time that grows with the number of pools.
func (i *Index[T]) Stats() Stats {
	i.mu.Lock()
	defer i.mu.Unlock()
	stats := Stats{
		Available: make(map[Key]int, len(i.pools)), Answered: make(map[Key]map[string]uint64, len(i.pools)),
		Reserved: i.reserved, ended: maps.Clone(i.ended),
	}
	for key, p := range i.pools {
		if p.tracked || len(p.queue) > 0 {
			stats.Available[key] = len(p.queue)
		}
		if p.answered != nil {
			stats.Answered[key] = maps.Clone(p.answered)
		}
	}
	return stats
}

// Collector reports an Index as metrics. It reads when it is scraped, so the claims pay nothing for it.
type Collector struct {
	metrics.BaseStableCollector
	source                               interface{ Stats() Stats }
	available, claims, reserved, endings *metrics.Desc
}

// NewCollector builds a Collector of the Index, for the wiring to register (legacyregistry.CustomRegister), once a process.
func NewCollector(index interface{ Stats() Stats }) *Collector {
	return &Collector{
		source: index,
		// A series a pool: how full each one is, is what its owner asks. They are as many as there are pools, and go with them.
		available: metrics.NewDesc("sandbox_apiserver_warmpool_available_replicas",
			"Sandboxes that a claim could draw now, by pool, as this replica sees it.",
			[]string{"namespace", "pool"}, nil, metrics.BETA, ""),
		claims: metrics.NewDesc("sandbox_apiserver_warmpool_claims_total",
			"New claims that this replica answered, by pool and outcome: warm, cold (nothing was available), custom (cold, for the env or disks of the claim), "+
				"waiting or rejected (429). The series of a pool go with it.",
			[]string{"namespace", "pool", "outcome"}, nil, metrics.BETA, ""),
		reserved: metrics.NewDesc("sandbox_apiserver_warmindex_reserved",
			"Sandboxes picked by claims that are in flight on this replica.",
			nil, nil, metrics.ALPHA, ""),
		endings: metrics.NewDesc("sandbox_apiserver_warmindex_reservations_total",
			"Reservations that ended, by result: confirmed (claimed), released (not used) or lost (somebody else wrote the Sandbox first).",
			[]string{"result"}, nil, metrics.ALPHA, ""),
	}
}

// DescribeWithStability implements metrics.StableCollector.
func (c *Collector) DescribeWithStability(ch chan<- *metrics.Desc) {
	ch <- c.available
	ch <- c.claims
	ch <- c.reserved
	ch <- c.endings
}

// CollectWithStability implements metrics.StableCollector.
func (c *Collector) CollectWithStability(ch chan<- metrics.Metric) {
	stats := c.source.Stats()
	for pool, available := range stats.Available {
		ch <- metrics.NewLazyConstMetric(c.available, metrics.GaugeValue, float64(available), pool.Namespace, pool.Name)
	}
	for pool, answered := range stats.Answered {
		for outcome, claims := range answered {
			ch <- metrics.NewLazyConstMetric(c.claims, metrics.CounterValue, float64(claims), pool.Namespace, pool.Name, outcome)
		}
	}
	ch <- metrics.NewLazyConstMetric(c.reserved, metrics.GaugeValue, float64(stats.Reserved))
	for _, how := range []result{confirmed, released, lost} {
		ch <- metrics.NewLazyConstMetric(c.endings, metrics.CounterValue, float64(stats.ended[how]), string(how))
	}
}
