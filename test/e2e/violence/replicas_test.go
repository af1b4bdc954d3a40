// SPDX-License-Identifier: Apache-2.0

package violence

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// replicas are the processes of the server, and how clients reach them. One goroutine
// kills, any may ask for a client.
type replicas struct {
	ns      *harness.Space
	servers []*local.Server
	direct  []versioned.Interface
	// started is when each was started last, zero for what has never been killed.
	started []time.Time

	mu sync.Mutex
	// lives counts the processes that each has been.
	lives []int
	// ready are those that a Service would send clients to, the longest ready one first.
	ready []int
	kills int
}

// target is what a client sends a request to: a process, or kube-apiserver, which is
// replica -1.
type target struct {
	versioned.Interface
	replica, life int
}

func newReplicas(ns *harness.Space) *replicas {
	ns.T.Helper()
	r := &replicas{ns: ns, servers: ns.Cluster.Replicas()}
	r.started, r.lives = make([]time.Time, len(r.servers)), make([]int, len(r.servers))
	for i, server := range r.servers {
		client, err := versioned.NewForConfig(server.RESTConfig())
		require.NoError(ns.T, err)
		r.direct = append(r.direct, client)
		r.ready = append(r.ready, i)
	}
	return r
}

// any is some replica that was ready a moment ago, or kube-apiserver.
func (r *replicas) any(random *rand.Rand) target {
	const aggregatedOneIn = 4
	r.mu.Lock()
	defer r.mu.Unlock()
	if random.IntN(aggregatedOneIn) == 0 || len(r.ready) == 0 {
		return target{r.ns.Client, -1, 0}
	}
	return r.target(r.ready[random.IntN(len(r.ready))])
}

// target needs the lock, or that nobody kills.
func (r *replicas) target(replica int) target {
	return target{r.direct[replica], replica, r.lives[replica]}
}

// same says whether a target is still the process that it was.
func (r *replicas) same(t target) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return t.replica < 0 || r.lives[t.replica] == t.life
}

// oldest is a client of the replica that has lived longest.
func (r *replicas) oldest() versioned.Interface {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ready) == 0 {
		return r.direct[0]
	}
	return r.direct[r.ready[0]]
}

// killAndStart kills replicas until killing ends, and returns when all are ready again.
func (r *replicas) killAndStart(ctx, killing context.Context, random *rand.Rand) {
	const pauseUpTo = 3 * time.Second
	victim := random.IntN(len(r.servers))
	for pause(killing, time.Duration(random.Int64N(int64(pauseUpTo)))) {
		victim = r.nextVictim(ctx, random, victim)
		r.killOnce(ctx, victim)
	}
}

// nextVictim lets there be a leader for most of the time, for without one no pool is
// filled. While nobody leads, the same replica dies again: any other may be about to take
// over. Later it is mostly the same again, which is known not to lead.
func (r *replicas) nextVictim(ctx context.Context, random *rand.Rand, last int) int {
	const renewedWithin = 5 * time.Second // by a leader every 2 s
	lease, err := r.ns.Kube.CoordinationV1().Leases(local.SystemNamespace).Get(ctx, local.ServiceAccount, metav1.GetOptions{})
	if err != nil || lease.Spec.RenewTime == nil || time.Since(lease.Spec.RenewTime.Time) > renewedWithin {
		return last
	}
	if lease.Spec.AcquireTime.Time.Before(r.started[last]) && random.IntN(4) != 0 {
		return last
	}
	return random.IntN(len(r.servers))
}

func (r *replicas) killOnce(ctx context.Context, victim int) {
	server := r.servers[victim]
	if err := server.Kill(ctx); err != nil {
		r.ns.T.Errorf("killing replica %d: %v", victim, err)
	}
	r.mu.Lock()
	r.kills++
	r.lives[victim]++
	r.ready = slices.DeleteFunc(r.ready, func(i int) bool { return i == victim })
	r.mu.Unlock()
	r.started[victim] = time.Now()
	if err := server.Start(ctx); err != nil {
		r.ns.T.Errorf("starting replica %d: %v", victim, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = append(r.ready, victim)
}

// String is for the log of the test.
func (r *replicas) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%d kills, ready are %v", r.kills, r.ready)
}

// pause says, after a while, whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
