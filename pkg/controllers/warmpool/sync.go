// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// pass is one sync of one pool.
type pass struct {
	key worker.Key
	// pool is never changed: it may be an object of the cache. nil: it is gone.
	pool   *v1beta1.SandboxWarmPool
	memory *memory
	seen   observed
	plan   plan
	now    time.Time
	// again is when there is more to do than one sync does.
	again time.Duration
}

func (c *Controller) sync(ctx context.Context, key worker.Key) (worker.Result, error) {
	pool, err := found(c.PoolInformer.Lister().SandboxWarmPools(key.Namespace).Get(key.Name))
	if err != nil {
		return worker.Result{}, fmt.Errorf("reading pool %q: %w", key.Name, err)
	}
	run := &pass{key: key, pool: pool, now: c.Clock.Now()}
	if ended(pool) {
		c.forget(key) // the members are the garbage collector's
		return worker.Result{}, nil
	}
	if err := c.decide(ctx, run); err != nil {
		return worker.Result{}, err
	}
	if ended(run.pool) {
		return worker.Result{}, nil
	}
	err = c.apply(ctx, run)
	if reportErr := c.report(ctx, run); err == nil {
		err = reportErr
	}
	return worker.Result{RequeueAfter: run.requeueAfter()}, err
}

func ended(pool *v1beta1.SandboxWarmPool) bool {
	return pool == nil || pool.DeletionTimestamp != nil
}

// decide makes the plan of the pass. It looks at caches first, and again, closer,
// before anything is written.
func (c *Controller) decide(ctx context.Context, run *pass) error {
	remembered, known := c.memories.of(run.key, run.pool.UID)
	if !known { // what is expected is another pool's, of the same name
		c.expectations.forget(run.key)
	}
	run.memory = remembered
	if err := c.look(run); err != nil {
		return err
	}
	lost := run.lost()
	if !run.plan.writes() && !lost {
		return nil
	}
	cached := run.pool.ResourceVersion
	if err := c.refresh(ctx, run); err != nil || ended(run.pool) {
		return err
	}
	if run.memory.listed && !lost && run.pool.ResourceVersion == cached {
		return nil
	}
	if !run.memory.listed || lost {
		if err := c.survey(ctx, run); err != nil {
			return err
		}
	}
	return c.look(run)
}

// look gathers and decides.
func (c *Controller) look(run *pass) error {
	seen, err := c.gather(run)
	if err != nil {
		return err
	}
	run.seen, run.plan = seen, decide(seen, run.now)
	return nil
}

// lost says whether something has been expected for too long.
func (run *pass) lost() bool {
	return !run.seen.oldest.IsZero() && run.now.Sub(run.seen.oldest) >= lostAfter
}

// refresh replaces the pool by the live one: nothing is made for a pool that is gone,
// nor more than is asked for now. It becomes nil if there is another of its name.
func (c *Controller) refresh(ctx context.Context, run *pass) error {
	live, err := found(c.Pools.SandboxWarmPools(run.key.Namespace).Get(ctx, run.key.Name, metav1.GetOptions{}))
	if err != nil {
		return fmt.Errorf("reading pool %q: %w", run.key.Name, err)
	}
	if live != nil && live.UID != run.pool.UID {
		live = nil
	}
	run.pool = live
	return nil
}

// report writes the status, if it is due.
func (c *Controller) report(ctx context.Context, run *pass) error {
	o := outcome{pool: run.pool, seen: run.seen, plan: run.plan, problem: run.memory.attempts.problem(run.subject())}
	status := statusOf(o, run.now)
	setSizes(run.key, run.seen, status)
	if int(status.ReadyReplicas) >= run.seen.replicas {
		c.refills.forget(run.key) // nothing is waited for any more
	}
	if apiequality.Semantic.DeepEqual(status, run.pool.Status) {
		run.memory.differs = time.Time{}
		return nil
	}
	if wait := run.memory.dueIn(urgent(run.pool.Status, status), run.now); wait > 0 {
		run.lookAgainAfter(wait)
		return nil
	}
	return c.updateStatus(ctx, run, status)
}

func (c *Controller) updateStatus(ctx context.Context, run *pass, status v1beta1.SandboxWarmPoolStatus) error {
	updated := run.pool.DeepCopy()
	updated.Status = status
	_, err := found(c.Pools.SandboxWarmPools(run.key.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{}))
	if err != nil {
		return fmt.Errorf("writing the status of pool %q: %w", run.key.Name, err)
	}
	run.memory.differs, run.memory.written = time.Time{}, run.now
	for _, note := range troubles(run.pool.Status, status) {
		c.Events.Eventf(run.pool, nil, corev1.EventTypeWarning, note.Reason, "Fill", "%s", note.Message)
	}
	return nil
}

// lookAgainAfter keeps the earliest time.
func (run *pass) lookAgainAfter(delay time.Duration) {
	if run.again == 0 || delay < run.again {
		run.again = delay
	}
}

// requeueAfter is when the passing of time alone gives a reason for another sync.
func (run *pass) requeueAfter() time.Duration {
	if run.plan.requeueAfter > 0 {
		run.lookAgainAfter(run.plan.requeueAfter)
	}
	if !run.seen.oldest.IsZero() {
		run.lookAgainAfter(max(lostAfter-run.now.Sub(run.seen.oldest), time.Millisecond))
	}
	return run.again
}

// subject is what refused creates were refused for: they may be tried at once when
// the pool or the template has changed.
func (run *pass) subject() string {
	return fmt.Sprintf("%d/%s", run.pool.Generation, run.seen.hash)
}
