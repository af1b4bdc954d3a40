// SPDX-License-Identifier: Apache-2.0

package ha

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestLeaderKilled kills the replica that runs the controllers. Claims go on from the
// others, and what they need of a controller follows when the next one leads.
func TestLeaderKilled(t *testing.T) {
	ns := env.Space(t)
	prepare(ns)
	load := startLoad(ns, "leader")
	defer load.finish()
	load.warmUp()
	leader, before := leadingReplica(t), holder(ns)

	begin := time.Now()
	require.NoError(t, leader.Kill(t.Context()))
	ns.Eventually("a Sandbox is created", func() error {
		_, err := ns.Sandboxes().Create(t.Context(), harness.Sandbox("orphan"), metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
	ns.Eventually("another replica leads", func() error {
		if now := holder(ns); now == before || now == "" {
			return fmt.Errorf("the Lease is held by %q", now)
		}
		return nil
	})
	led := time.Now()
	ns.Eventually("the next leader makes the Pod", func() error { return ns.GetPod("orphan")(t.Context()) })
	reconciled := time.Now()
	require.NoError(t, leader.Start(t.Context()))

	answers := load.finish()
	meanwhile := between(answers, begin, led)
	t.Logf("the Lease changed hands %v after the kill, the first Pod was made after %v", led.Sub(begin).Round(time.Millisecond), reconciled.Sub(begin).Round(time.Millisecond))
	t.Logf("without a leader: %s", figures(meanwhile))
	t.Logf("in all: %s; errors for %v; longest time without a claim %v", figures(answers), errorWindow(answers), silence(answers))
	load.show(answers)
	assert.NotEmpty(t, good(meanwhile, "claim"), "claims go on without a leader")
	load.nothingLost()
}

// leadingReplica is the one that has written last that it leads.
func leadingReplica(t *testing.T) *local.Server {
	t.Helper()
	var leader *local.Server
	var latest string
	for _, replica := range env.Cluster.Replicas() {
		log, err := os.ReadFile(replica.LogPath())
		require.NoError(t, err)
		if at := lastTerm(string(log)); at > latest {
			leader, latest = replica, at
		}
	}
	require.NotNil(t, leader, "some replica leads")
	return leader
}

// lastTerm is when the writer of a log began to lead last, in a form that can be compared.
func lastTerm(log string) string {
	last := ""
	for line := range strings.Lines(log) {
		if fields := strings.Fields(line); strings.Contains(line, "Successfully acquired lease") && len(fields) > 1 {
			last = fields[0][1:] + fields[1]
		}
	}
	return last
}

// holder is the identity in the Lease, empty if nobody has it.
func holder(ns *harness.Space) string {
	ns.T.Helper()
	lease, err := ns.Kube.CoordinationV1().Leases(local.SystemNamespace).Get(ns.T.Context(), "sandbox-apiserver", metav1.GetOptions{})
	require.NoError(ns.T, err)
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// warmUp returns when claims have been answered for a few seconds.
func (l *load) warmUp() {
	l.ns.T.Helper()
	const seconds = 3
	l.ns.Eventually("claims are answered", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if have := len(l.claims); have < seconds**rate {
			return fmt.Errorf("%d claims", have)
		}
		return nil
	})
}

// steady returns when claims have gone well for a few seconds, at the rate at which they are made.
func (l *load) steady() {
	l.ns.T.Helper()
	const calm = 3 * time.Second
	l.ns.Eventually("claims go well again", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		recent := between(l.answered, time.Now().Add(-calm), time.Now())
		if failed := failures(recent); len(failed) > 0 {
			return fmt.Errorf("%s: %w", failed[0].what, failed[0].err)
		}
		if have := len(good(recent, "claim")); have < 2**rate {
			return fmt.Errorf("%d claims in %v", have, calm)
		}
		return nil
	})
}
