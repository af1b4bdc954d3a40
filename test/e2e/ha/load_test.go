// SPDX-License-Identifier: Apache-2.0

package ha

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned"
	typedv1beta1 "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/typed/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

const (
	poolName, templateName = "pool", "template"
	poolReplicas           = 10
	// patience is how long a request may take, repetitions by the HTTP layer included.
	patience = 60 * time.Second
	// heldFor is how many claims are held before the oldest is given back.
	heldFor = 30
)

// load makes claims and other requests at a steady rate, whatever becomes of them.
type load struct {
	ns     *harness.Space
	api    typedv1beta1.SandboxV1beta1Interface
	wire   *wire
	prefix string
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	answered []answer
	claims   map[string]*v1beta1.SandboxClaim
	// held are the names of claims that nobody has given back, the oldest first.
	held []string
	// deleted are names whose deletion has been asked for.
	deleted map[string]bool
	// sandboxes that were created, and the acknowledged labels of each.
	sandboxes map[string]types.UID
	labels    map[string][]string
	newest    string
}

// answer is what became of one request.
type answer struct {
	what       string
	begin, end time.Time
	err        error
}

// prepare makes the pool that claims are drawn from.
func prepare(ns *harness.Space) {
	ns.T.Helper()
	_, err := ns.Templates().Create(ns.T.Context(), harness.Template(templateName), metav1.CreateOptions{})
	require.NoError(ns.T, err)
	pool := harness.Pool(poolName, templateName, func(p *v1beta1.SandboxWarmPool) { p.Spec.Replicas = ptr.To(int32(poolReplicas)) })
	_, err = ns.Pools().Create(ns.T.Context(), pool, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	ns.Eventually("the pool is full", func() error { return full(ns) })
}

func full(ns *harness.Space) error {
	pool, err := ns.Pools().Get(ns.T.Context(), poolName, metav1.GetOptions{})
	if err == nil && pool.Status.ReadyReplicas < poolReplicas {
		err = fmt.Errorf("%d of %d are available", pool.Status.ReadyReplicas, poolReplicas)
	}
	return err
}

// startLoad runs until finish.
func startLoad(ns *harness.Space, prefix string) *load {
	ns.T.Helper()
	ctx, stop := context.WithCancel(ns.T.Context())
	l := &load{
		ns: ns, prefix: prefix, wire: newWire(), stop: stop, deleted: map[string]bool{},
		claims: map[string]*v1beta1.SandboxClaim{}, sandboxes: map[string]types.UID{}, labels: map[string][]string{},
	}
	config := ns.Cluster.RESTConfig()
	config.Wrap(l.wire.over)
	client, err := versioned.NewForConfig(config)
	require.NoError(ns.T, err)
	l.api = client.SandboxV1beta1()
	require.NoError(ns.T, l.create(ctx, -1))
	l.done.Go(func() { l.pace(ctx, l.claim) })
	l.done.Go(func() { l.pace(ctx, l.other) })
	return l
}

// pace starts the nth request at the nth tick, and returns when all have been answered.
func (l *load) pace(ctx context.Context, request func(ctx context.Context, n int) (string, error)) {
	var flying sync.WaitGroup
	defer flying.Wait()
	ticker := time.NewTicker(time.Second / time.Duration(*rate))
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		flying.Go(func() {
			// What has begun is answered, though no more begins.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			begin := time.Now()
			what, err := request(ctx, n)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.answered = append(l.answered, answer{what: what, begin: begin, end: time.Now(), err: err})
		})
	}
}

func (l *load) claim(ctx context.Context, n int) (string, error) {
	name := fmt.Sprintf("%s-claim-%d", l.prefix, n)
	wanted := harness.Claim(name, poolName, func(c *v1beta1.SandboxClaim) { c.Spec.OnEmptyPool = v1beta1.OnEmptyPoolColdStart })
	claim, err := l.api.SandboxClaims(l.ns.Name).Create(ctx, wanted, metav1.CreateOptions{})
	if err != nil {
		return "claim", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claims[name] = claim
	l.held = append(l.held, name)
	return "claim", nil
}

// other gives claims back half of the time, and does everything else in turn otherwise.
func (l *load) other(ctx context.Context, n int) (string, error) {
	sandboxes := l.api.Sandboxes(l.ns.Name)
	switch n % 8 {
	case 1:
		return "create", l.create(ctx, n)
	case 3:
		return "patch", l.patch(ctx, n)
	case 5:
		_, err := l.api.SandboxWarmPools(l.ns.Name).Get(ctx, poolName, metav1.GetOptions{})
		return "get", err
	case 7:
		_, err := sandboxes.List(ctx, metav1.ListOptions{Limit: 20})
		return "list", err
	}
	if name := l.oldest(); name != "" {
		return "delete", l.api.SandboxClaims(l.ns.Name).Delete(ctx, name, metav1.DeleteOptions{})
	}
	_, err := l.api.SandboxTemplates(l.ns.Name).Get(ctx, templateName, metav1.GetOptions{})
	return "get", err
}

func (l *load) create(ctx context.Context, n int) error {
	name := fmt.Sprintf("%s-sandbox-%d", l.prefix, n)
	sandbox, err := l.api.Sandboxes(l.ns.Name).Create(ctx, harness.Sandbox(name, harness.Suspended), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sandboxes[name] = sandbox.UID
	l.newest = name
	return nil
}

// patch touches the Sandbox that was made last.
func (l *load) patch(ctx context.Context, n int) error {
	l.mu.Lock()
	name := l.newest
	l.mu.Unlock()
	body := fmt.Sprintf(`{"metadata":{"labels":{"touched-%d":"yes"}}}`, n)
	if _, err := l.api.Sandboxes(l.ns.Name).Patch(ctx, name, types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.labels[name] = append(l.labels[name], fmt.Sprintf("touched-%d", n))
	return nil
}

// oldest is the claim to give back, so that what runs stays bounded; "" while there are few.
func (l *load) oldest() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.held) <= heldFor {
		return ""
	}
	name := l.held[0]
	l.held = l.held[1:]
	l.deleted[name] = true
	return name
}
