// SPDX-License-Identifier: Apache-2.0

package violence

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned"
	"agents.x-k8s.io/sandbox-apiserver/test/e2e/history"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// pools are far smaller than what is asked of them, so they run dry all the time.
func pools() map[string]int {
	return map[string]int{"small": 4, "medium": 8, "large": 16}
}

// TestExactlyOnce is the promise of the whole server.
func TestExactlyOnce(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("violence.seed=%d, %d claims in %v", *seed, *claims, duration())
	ns := env.Space(t)
	replicas, recorder := newReplicas(ns), record(ns)
	sandboxes, claimed := watchBoth(recorder, replicas)
	fill(ns, recorder)

	calls := &log{deletions: map[string]time.Time{}}
	newClient := func(number uint64) *client {
		return &client{ns: ns, replicas: replicas, recorder: recorder, log: calls, random: rand.New(rand.NewPCG(*seed, number))}
	}
	rage(ns, replicas, newClient, func() { t.Logf("%s; %s; %s", replicas, calls, recorder) })
	harness.Eventually(t, "all has come to rest", func() error { return recorder.atRest(pools()) })
	calm(ns, newClient(clientCount), replicas)
	harness.Eventually(t, "all has come to rest again", func() error { return recorder.atRest(pools()) })
	t.Logf("done: %s; %s; %s; %v", replicas, calls, recorder, calls.outcomes())

	watched := [][]history.Watched{sandboxes.finish(), claimed.finish()}
	writes := recorder.finish()
	wasViolent(t, replicas, calls)
	record := history.Record{Writes: writes, Calls: calls.calls, Deletions: calls.deletions, Replicas: pools()}
	for _, violation := range record.Check() {
		t.Error(violation)
	}
	keep(t, record)
	assert.Empty(t, history.CheckWatch(of(writes, func(w history.Write) bool { return w.Sandbox != nil }), watched[0]))
	assert.Empty(t, history.CheckWatch(of(writes, func(w history.Write) bool { return w.Claim != nil }), watched[1]))
}

// watchBoth watches both resources through the API, as a client would.
func watchBoth(recorder *recorder, replicas *replicas) (sandboxes, claims *watcher) {
	ns := recorder.ns
	ctx := ns.T.Context()
	sandboxes = startWatcher(recorder, source{replicas, func(c versioned.Interface, o metav1.ListOptions) (watch.Interface, error) {
		return c.SandboxV1beta1().Sandboxes(ns.Name).Watch(ctx, o)
	}})
	claims = startWatcher(recorder, source{replicas, func(c versioned.Interface, o metav1.ListOptions) (watch.Interface, error) {
		return c.SandboxV1beta1().SandboxClaims(ns.Name).Watch(ctx, o)
	}})
	return sandboxes, claims
}

// fill makes the pools and waits until they are full.
func fill(ns *harness.Space, recorder *recorder) {
	ns.T.Helper()
	ctx := ns.T.Context()
	_, err := ns.Templates().Create(ctx, harness.Template("template"), metav1.CreateOptions{})
	require.NoError(ns.T, err)
	for name, replicas := range pools() {
		pool := harness.Pool(name, "template", func(p *v1beta1.SandboxWarmPool) { p.Spec.Replicas = ptr.To(int32(replicas)) })
		_, err := ns.Pools().Create(ctx, pool, metav1.CreateOptions{})
		require.NoError(ns.T, err)
	}
	ns.Eventually("the pools are full", func() error { return recorder.atRest(pools()) })
}

// rage runs the clients, kills replicas until they are done, and tells how it goes.
func rage(ns *harness.Space, replicas *replicas, newClient func(uint64) *client, tell func()) {
	const finishWithin, tellEvery = 2 * time.Minute, 10 * time.Second
	ctx, cancel := context.WithTimeout(ns.T.Context(), duration()+finishWithin)
	defer cancel()
	killing, calm := context.WithCancel(ctx)
	var clients, others sync.WaitGroup
	for number := range clientCount {
		clients.Go(func() { newClient(uint64(number)).run(ctx, number) })
	}
	others.Go(func() { replicas.killAndStart(ctx, killing, rand.New(rand.NewPCG(*seed, 1<<32))) })
	others.Go(func() {
		for pause(killing, tellEvery) {
			tell()
		}
	})
	clients.Wait()
	calm()
	others.Wait()
	require.NoError(ns.T, ctx.Err(), "the clients are done")
}

// calm claims where nobody else does: what is free must be had at the first attempt,
// through every door of every replica.
func calm(ns *harness.Space, c *client, replicas *replicas) {
	ns.T.Helper()
	for i := range replicas.servers {
		for j, door := range doors() {
			w := wish{name: fmt.Sprintf("%scalm-%d-%d", claimPrefix, i, j), pool: "large", policy: v1beta1.OnEmptyPoolReject, door: door}
			if door == history.SandboxesDoor {
				w.sandbox = c.recorder.free(w.pool)[0]
			}
			ctx, cancel := context.WithTimeout(ns.T.Context(), patience)
			call, claim := c.callAt(ctx, replicas.target(i), w)
			cancel()
			if assert.NotNil(ns.T, claim, "%s: %s: %s", call, call.Outcome, call.Message) {
				assert.Equal(ns.T, v1beta1.LaunchWarm, claim.Status.Sandbox.LaunchType, call)
			}
			// Or the next one asks for the very Sandbox that this one has got.
			ns.Eventually("the watch has seen the answer", func() error { return c.recorder.hasSeen(call.Answer.Revision) })
		}
	}
}

// wasViolent keeps the test from passing because nothing has happened.
func wasViolent(t *testing.T, replicas *replicas, calls *log) {
	t.Helper()
	outcomes := calls.outcomes()
	assert.Greater(t, replicas.kills, 3, "replicas were killed")
	assert.NotEmpty(t, calls.deletions, "claims were deleted")
	for _, outcome := range []string{"unknown", "refused 409", "refused 429"} {
		assert.NotZero(t, outcomes[outcome], outcome)
	}
	for _, door := range doors() {
		assert.NotZero(t, outcomes[string(door)+" acknowledged"], door)
	}
}

// keep leaves the history of a failed test beside the logs.
func keep(t *testing.T, record history.Record) {
	t.Helper()
	if !t.Failed() {
		return
	}
	raw, err := json.MarshalIndent(record, "", " ")
	require.NoError(t, err)
	path := filepath.Join(env.Cluster.Dir(), "history.json")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	t.Logf("the whole history: %s", path)
}

func doors() []history.Door {
	return []history.Door{history.ClaimsDoor, history.PoolDoor, history.SandboxesDoor}
}

func of(writes []history.Write, is func(history.Write) bool) []history.Write {
	var some []history.Write
	for _, write := range writes {
		if is(write) {
			some = append(some, write)
		}
	}
	return some
}
