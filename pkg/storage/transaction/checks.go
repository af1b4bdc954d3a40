// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apiserver/pkg/server/healthz"
)

const (
	// checkTimeout leaves a probe with the usual timeout of a few seconds time to answer.
	checkTimeout = 2 * time.Second
	// alarmsFresh bounds what probes cost: one request to etcd in this time.
	alarmsFresh = time.Second
)

var errNothingOpen = errors.New("no storage is open")

// AlarmCheck is a readiness check, "etcd-alarms". It fails while etcd cannot be
// reached, has no leader, or has an alarm raised: with NOSPACE reads go on but
// every write fails, which the stock etcd checks do not notice.
func (b *Backend) AlarmCheck() healthz.HealthChecker {
	c := &cachedCheck{fresh: alarmsFresh, now: time.Now, check: b.checkAlarms}
	return healthz.NamedCheck("etcd-alarms", c.run)
}

func (b *Backend) checkAlarms(ctx context.Context) error {
	connections := b.open()
	if len(connections) == 0 {
		return errNothingOpen
	}
	for _, c := range connections {
		if err := alarms(ctx, c.client); err != nil {
			return err
		}
	}
	return nil
}

func alarms(ctx context.Context, client clientv3.Maintenance) error {
	response, err := client.AlarmList(ctx)
	if err != nil {
		return fmt.Errorf("listing alarms of etcd: %w", err)
	}
	if len(response.Alarms) == 0 {
		return nil
	}
	raised := make([]string, len(response.Alarms))
	for i, a := range response.Alarms {
		raised[i] = fmt.Sprintf("%s on member %x", a.Alarm, a.MemberID)
	}
	return fmt.Errorf("etcd has alarms raised: %s", strings.Join(raised, ", "))
}

// SelfTestCheck is a readiness check, "etcd-transactions". It runs SelfTest
// until it has passed once; from then on it costs nothing.
func (b *Backend) SelfTestCheck() healthz.HealthChecker {
	c := &cachedCheck{fresh: alarmsFresh, now: time.Now, check: b.SelfTest, keepSuccess: true}
	return healthz.NamedCheck("etcd-transactions", c.run)
}

// cachedCheck runs check at most once in fresh, for all who ask at that time.
type cachedCheck struct {
	fresh       time.Duration
	now         func() time.Time
	check       func(context.Context) error
	keepSuccess bool

	mu   sync.Mutex
	last time.Time
	err  error
}

func (c *cachedCheck) run(r *http.Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	settled := c.keepSuccess && c.err == nil
	if !c.last.IsZero() && (settled || now.Sub(c.last) < c.fresh) {
		return c.err
	}
	// A probe that gives up must not leave its cancellation to the next one.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), checkTimeout)
	defer cancel()
	c.last, c.err = now, c.check(ctx)
	return c.err
}
