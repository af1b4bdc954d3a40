// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/klog/v2"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

const (
	// maxParallel is how many requests of one pool are in flight at most.
	maxParallel = 50
	// maxPerSync bounds the creates, and the deletes, of one sync, so that a large
	// pool looks up now and then: it may have been scaled, or drawn from.
	maxPerSync = 500
	// moreWork is the delay before the rest.
	moreWork = 10 * time.Millisecond

	// createTimeout bounds the wait for the answer to a create, which outlives the
	// term. It is less than the time between the end of a term that was lost and the
	// beginning of the next one: Lease duration less renew deadline, 5 s.
	createTimeout = 4 * time.Second

	// suffixLength makes names that nobody meets or guesses: 27^8 of them. Names have
	// at most maxName characters.
	suffixLength = 8
	maxName      = 63
)

var (
	// errNotSent is the answer to a request that was not made.
	errNotSent = errors.New("the term has ended")
	// errTaken says that a name of our choice is somebody else's: another will do.
	errTaken = errors.New("there is a Sandbox of that name, and it is not this pool's")
)

// apply carries the plan out: first the deletes, since only what is deleted for sure
// is replaced.
func (c *Controller) apply(ctx context.Context, run *pass) error {
	removed, err := c.remove(ctx, run)
	if createErr := c.create(ctx, run, run.seen.missing(removed)); createErr != nil {
		return createErr
	}
	return err
}

// remove deletes members and returns those that are deleted for sure. A conflict says
// that a member was claimed, or changed: the cache will tell.
func (c *Controller) remove(ctx context.Context, run *pass) ([]removal, error) {
	doomed := run.plan.remove
	if len(doomed) == 0 {
		return nil, nil
	}
	if len(doomed) > maxPerSync {
		doomed = doomed[:maxPerSync]
		run.lookAgainAfter(moreWork)
	}
	if run.plan.replaces {
		proven := run.seen.replacements.proven(run.seen.members)
		run.memory.replacements = run.seen.replacements.next(proven, run.now)
	}
	gone := make([]bool, len(doomed))
	var conflict atomic.Pointer[error]
	err := c.inBatches(ctx, len(doomed), func(i int) error {
		err := c.deleteMember(ctx, run, doomed[i])
		switch {
		case apierrors.IsConflict(err):
			conflict.Store(&err)
			return nil // the next one may be as it was
		case err == nil:
			gone[i] = true
		}
		return err
	})
	var removed []removal
	for i := range doomed {
		if gone[i] {
			removed = append(removed, doomed[i])
			run.memory.deleted.Insert(doomed[i].uid)
			deletions.WithLabelValues(doomed[i].why).Inc()
		}
	}
	if first := conflict.Load(); err == nil && first != nil {
		err = *first
	}
	return removed, err
}

func (c *Controller) deleteMember(ctx context.Context, run *pass, doomed removal) error {
	err := c.Sandboxes.Sandboxes(run.pool.Namespace).Delete(ctx, doomed.name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &doomed.uid, ResourceVersion: &doomed.resourceVersion},
	})
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("deleting Sandbox %q: %w", doomed.name, err)
}

// create makes members until there are as many as are missing. Refusals are no
// errors of the sync: they are remembered, reported and tried again later.
func (c *Controller) create(ctx context.Context, run *pass, missing int) error {
	if missing == 0 || run.seen.template == nil {
		return nil
	}
	if wait := run.memory.attempts.wait(run.subject(), run.now); wait > 0 {
		run.lookAgainAfter(wait)
		return nil
	}
	if missing > maxPerSync {
		missing = maxPerSync
		run.lookAgainAfter(moreWork)
	}
	wanted := make([]*v1beta1.Sandbox, missing)
	for i := range wanted {
		wanted[i] = render.FromTemplate(run.seen.template, run.pool)
		wanted[i].Name = nextName(run.seen.unsure, i, wanted[i].GenerateName)
		wanted[i].GenerateName = ""
	}
	err := c.inBatches(ctx, missing, func(i int) error { return c.createMember(ctx, run, wanted[i]) })
	switch {
	case ctx.Err() != nil:
		return err
	case err == nil:
		run.memory.attempts = backoff{}
	default:
		failed := run.memory.attempts.failed(run.subject(), errorMessage(err, run.pool.Name), c.Clock.Now())
		run.memory.attempts = failed
		run.lookAgainAfter(failed.delay)
		klog.FromContext(ctx).Info("Creating Sandboxes is tried again", "after", failed.delay, "err", err)
	}
	return nil
}

// nextName is one that was asked for before without an answer, as long as there are
// any, then a new one.
func nextName(unsure []string, i int, prefix string) string {
	if i < len(unsure) {
		return unsure[i]
	}
	return prefix[:min(len(prefix), maxName-suffixLength)] + rand.String(suffixLength)
}

// createMember sends one create and writes down what came of it.
func (c *Controller) createMember(ctx context.Context, run *pass, wanted *v1beta1.Sandbox) error {
	if ctx.Err() != nil {
		return errNotSent
	}
	asked := slices.Contains(run.seen.unsure, wanted.Name)
	c.expectations.expect(run.key, wanted.Name, c.Clock.Now())
	// Cut off at the end of the term, it might land after the next one has counted.
	answered, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	defer cancel()
	sandboxes := c.Sandboxes.Sandboxes(run.pool.Namespace)
	made, err := sandboxes.Create(answered, wanted, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		if made, err = sandboxes.Get(answered, wanted.Name, metav1.GetOptions{}); err == nil {
			err = ownedOrTaken(made, run.pool)
		}
	}
	switch {
	case err == nil:
		c.expectations.confirm(run.key, wanted.Name, made.UID)
		creations.WithLabelValues(succeeded).Inc()
		return nil
	case errors.Is(err, errTaken), refused(err) && !asked:
		c.expectations.observed(worker.Key{Namespace: run.key.Namespace, Name: wanted.Name}, "")
		creations.WithLabelValues(rejected).Inc()
	default:
		c.expectations.doubt(run.key, wanted.Name, c.Clock.Now())
		creations.WithLabelValues(unanswered).Inc()
	}
	return &createError{name: wanted.Name, err: err}
}

// createError knows the name apart from the text, so that the status can leave it out.
type createError struct {
	name string
	err  error
}

func (e *createError) Error() string { return fmt.Sprintf("creating Sandbox %q: %v", e.name, e.err) }

func (e *createError) Unwrap() error { return e.err }

// ownedOrTaken says whose a Sandbox is that has a name of our choice: this pool's,
// from an earlier request, or even a claim's by now; or a stranger's.
func ownedOrTaken(existing *v1beta1.Sandbox, pool *v1beta1.SandboxWarmPool) error {
	if existing.Labels[v1beta1.WarmPoolLabel] == pool.Name || isMember(existing, pool) {
		return nil
	}
	return errTaken
}

// refused says whether an error means that the API server has not done, and will not
// do, what it was asked for. After any other it may have been done all the same.
func refused(err error) bool {
	if errors.Is(err, errNotSent) {
		return true
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code
	return code >= http.StatusBadRequest && code < http.StatusInternalServerError
}

// inBatches calls do for 0 to n-1: one, then two at a time, then four, up to
// maxParallel, and yields between them. It ends after the first batch with an error, so
// that what fails for all is not asked for a thousand times.
func (c *Controller) inBatches(ctx context.Context, n int, do func(i int) error) error {
	for start, size := 0, 1; start < n; start, size = start+size, min(2*size, maxParallel) {
		if start > 0 && c.Yield != nil {
			c.Yield(ctx)
		}
		errs := make([]error, min(size, n-start))
		var batch sync.WaitGroup
		for i := range errs {
			batch.Go(func() { errs[i] = do(start + i) })
		}
		batch.Wait()
		if failed := slices.IndexFunc(errs, func(err error) bool { return err != nil }); failed >= 0 {
			return errs[failed]
		}
	}
	return nil
}
