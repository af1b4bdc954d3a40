// SPDX-License-Identifier: Apache-2.0

package violence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/e2e/history"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

const (
	clientCount = 64
	claimPrefix = "claim-"
	// patience is how long a client waits for an answer that it does not cut off.
	patience = 10 * time.Second
	// thinking is how long it waits before it tries again.
	thinking = 500 * time.Millisecond
)

// log has every call of every client.
type log struct {
	mu        sync.Mutex
	calls     []history.Call
	deletions map[string]time.Time
}

func (l *log) called(call history.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call)
}

// deleting notes the first attempt.
func (l *log) deleting(uid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.deletions[uid]; !known {
		l.deletions[uid] = time.Now()
	}
}

// outcomes counts the calls by their doors and what their clients knew then.
func (l *log) outcomes() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	outcomes := map[string]int{}
	for _, call := range l.calls {
		outcome := string(call.Outcome)
		if call.Outcome == history.Refused {
			outcome += " " + strconv.Itoa(call.Code)
		}
		outcomes[outcome]++
		outcomes[string(call.Door)+" "+outcome]++
	}
	return outcomes
}

// String is for the log of the test.
func (l *log) String() string {
	outcomes := l.outcomes()
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d calls: %d acknowledged, %d unknown; %d claims deleted",
		len(l.calls), outcomes["acknowledged"], outcomes["unknown"], len(l.deletions))
}

// client makes claims, one after the other, and keeps at each until it knows.
type client struct {
	ns       *harness.Space
	replicas *replicas
	recorder *recorder
	log      *log
	random   *rand.Rand
}

// run makes its share of the claims, spread over the duration.
func (c *client) run(ctx context.Context, number int) {
	share := *claims / clientCount
	if number < *claims%clientCount {
		share++
	}
	each := duration() / time.Duration(max(share, 1))
	for i := range share {
		c.pause(ctx, each)
		c.live(ctx, fmt.Sprintf("%s%d-%d", claimPrefix, number, i))
	}
}

// live is the life of one claim.
func (c *client) live(ctx context.Context, name string) {
	const deleteOneIn, againOneIn, repeatOneIn, keepUpTo = 2, 2, 4, 3 * time.Second
	wanted := c.wish(name)
	claim := c.obtain(ctx, wanted)
	if claim == nil {
		return
	}
	if c.random.IntN(repeatOneIn) == 0 {
		wanted.door = history.PoolDoor
		wanted.otherSpec = c.random.IntN(2) == 0
		c.call(ctx, wanted)
	}
	if c.random.IntN(deleteOneIn) != 0 {
		return
	}
	c.pause(ctx, keepUpTo)
	c.remove(ctx, claim)
	if c.random.IntN(againOneIn) == 0 {
		again := c.wish(name)
		again.door, again.sandbox = history.PoolDoor, ""
		c.obtain(ctx, again)
	}
}

// wish is what a client wants to have.
type wish struct {
	name, pool string
	policy     v1beta1.OnEmptyPoolPolicy
	door       history.Door
	// sandbox is the very one, for the door of Sandboxes.
	sandbox string
	// otherSpec changes what must not be changed under one name.
	otherSpec bool
}

func (c *client) wish(name string) wish {
	pools := slices.Sorted(maps.Keys(pools()))
	policies := []v1beta1.OnEmptyPoolPolicy{v1beta1.OnEmptyPoolColdStart, v1beta1.OnEmptyPoolWait, v1beta1.OnEmptyPoolReject}
	w := wish{name: name, pool: pools[c.random.IntN(len(pools))], policy: policies[c.random.IntN(len(policies))]}
	switch free := c.recorder.free(w.pool); c.random.IntN(4) {
	case 0:
		w.door = history.ClaimsDoor
	case 1:
		w.door = history.PoolDoor
		if len(free) > 0 {
			w.door, w.sandbox = history.SandboxesDoor, free[c.random.IntN(len(free))]
		}
	default:
		w.door = history.PoolDoor
	}
	return w
}

// obtain calls until it has an answer, and some more times for one that waits: what waits
// is left to itself then. It returns nil if nothing was to be had.
func (c *client) obtain(ctx context.Context, w wish) *v1beta1.SandboxClaim {
	const refusals, looks = 5, 5
	for refused, looked := 0, 0; refused < refusals && ctx.Err() == nil; {
		call, claim := c.call(ctx, w)
		switch {
		case call.Code == http.StatusTooManyRequests:
			refused++
		case claim == nil:
		case claim.Status.Sandbox != nil || looked == looks:
			return claim
		default:
			looked++
		}
		// Whatever became of it, a call for the same name at the pool's door tells. The
		// claims' own door can only say that there is one.
		if w.door != history.ClaimsDoor || call.Code == http.StatusConflict || c.random.IntN(2) == 0 {
			w.door, w.sandbox = history.PoolDoor, ""
		}
		c.pause(ctx, thinking)
	}
	return nil
}

// pause is for a random time.
func (c *client) pause(ctx context.Context, upTo time.Duration) {
	pause(ctx, time.Duration(c.random.Int64N(int64(upTo))))
}

// call makes one request through some replica, which it may cut off on its way.
func (c *client) call(ctx context.Context, w wish) (history.Call, *v1beta1.SandboxClaim) {
	const cutOneIn, cutWithin = 5, 100 * time.Millisecond
	limit := patience
	if c.random.IntN(cutOneIn) == 0 {
		limit = time.Duration(c.random.Int64N(int64(cutWithin)))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return c.callAt(ctx, c.replicas.any(c.random), w)
}

// callAt makes one request, without the retries of the client library, and logs it.
func (c *client) callAt(ctx context.Context, at target, w wish) (history.Call, *v1beta1.SandboxClaim) {
	body := harness.Claim(w.name, w.pool, func(claim *v1beta1.SandboxClaim) {
		claim.Spec.OnEmptyPool = w.policy
		if w.otherSpec {
			claim.Spec.AdditionalPodMetadata.Labels = map[string]string{"other": "spec"}
		}
	})
	request := at.SandboxV1beta1().RESTClient().Post().Namespace(c.ns.Name).MaxRetries(0).Body(body)
	switch w.door {
	case history.ClaimsDoor:
		request = request.Resource("sandboxclaims")
	case history.PoolDoor:
		request = request.Resource("sandboxwarmpools").Name(w.pool).SubResource("claim")
	case history.SandboxesDoor:
		request = request.Resource("sandboxes").Name(w.sandbox).SubResource("claim")
	}
	call := history.Call{Door: w.door, Claim: w.name, Pool: w.pool, Sandbox: w.sandbox, OtherSpec: w.otherSpec, Begin: time.Now()}
	claim := &v1beta1.SandboxClaim{}
	err := request.Do(ctx).Into(claim)
	call.End = time.Now()
	judge(&call, claim, err)
	// No Service would have sent anybody to a process that is just starting.
	if call.Outcome == history.Refused && !c.replicas.same(at) {
		call.Outcome = history.Unknown
	}
	c.log.called(call)
	if call.Outcome != history.Acknowledged {
		return call, nil
	}
	return call, claim
}

// judge says what a client knows after an answer, or without one.
func judge(call *history.Call, claim *v1beta1.SandboxClaim, err error) {
	if err == nil {
		call.Outcome, call.Answer = history.Acknowledged, history.Answer{UID: string(claim.UID), Revision: revision(claim)}
		if claim.Status.Sandbox != nil {
			call.Answer.Sandbox = claim.Status.Sandbox.Name
		}
		return
	}
	call.Outcome, call.Message = history.Unknown, err.Error()
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		code := int(status.Status().Code)
		if call.Code = code; code >= http.StatusBadRequest && code < http.StatusInternalServerError {
			call.Outcome = history.Refused
		}
	}
}

// remove deletes a claim and returns when it is known to be gone.
func (c *client) remove(ctx context.Context, claim *v1beta1.SandboxClaim) {
	c.log.deleting(string(claim.UID))
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, patience)
		err := c.replicas.any(c.random).SandboxV1beta1().SandboxClaims(c.ns.Name).Delete(attempt, claim.Name,
			metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptr.To(claim.UID)}})
		cancel()
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		c.pause(ctx, thinking)
	}
}
