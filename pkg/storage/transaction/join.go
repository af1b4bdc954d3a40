// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.etcd.io/etcd/client/v3/kubernetes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// Outcome is what a joined write left in etcd.
type Outcome int

const (
	// NotCommitted says that neither object was written.
	NotCommitted Outcome = iota
	// Committed says that both objects were written, at one revision.
	Committed
	// Unknown says that the answer of etcd was lost. Both objects were written
	// or neither; a read of either tells.
	Unknown
)

func (o Outcome) String() string {
	switch o {
	case NotCommitted:
		return "not committed"
	case Committed:
		return "committed"
	default:
		return "unknown"
	}
}

// Inner is the second of the two registry calls.
type Inner struct {
	// RequestInfo describes the inner call; registry and admission take resource
	// names for their errors from it, and the namespace from its Namespace.
	RequestInfo *request.RequestInfo
	// Call makes one write of one object with the context it is given: a create
	// or an update of another resource than the outer call's. It may try several
	// objects, one after the other, until one write succeeds. It runs once for
	// each attempt of the outer write, so it must not assume to be the first.
	// Once a write has succeeded, what Call returns no longer matters.
	Call func(context.Context) error
}

func (i Inner) context(ctx context.Context) context.Context {
	return request.WithNamespace(request.WithRequestInfo(ctx, i.RequestInfo), i.RequestInfo.Namespace)
}

var (
	// errMisuse marks errors that only a mistake in the program produces.
	errMisuse      = errors.New("not possible in a joined write")
	errTerminating = errors.New("the object is being deleted")
	// errOuterLost ends an inner call whose outer write can no longer succeed.
	errOuterLost = errors.New("the outer object of the joined write changed meanwhile")
	// errInnerRefused stands for the error of the inner call while it passes
	// through the outer registry, which would take, say, the inner AlreadyExists
	// for its own and try another name.
	errInnerRefused = errors.New("the inner call of the joined write made no write")
)

// Join calls outer with a context in which its write is held back; inner.Call
// runs at that point, and its write commits both in one etcd transaction, each
// under its own optimistic check. A conflict on either object surfaces where it
// would surface without Join: the outer call sees its own (AlreadyExists, or a
// retry with fresh state), the inner call likewise.
//
// outer makes one write. A nil error comes with Committed only. An error with
// Committed means that the answer was lost on the way back through outer. An
// error of inner.Call that kept the outer write from happening is returned as
// it is.
//
// A dry run writes nothing, so Join would call it an error: use Rehearse.
func Join(ctx context.Context, inner Inner, outer func(context.Context) error) (Outcome, error) {
	j, err := newJoin(ctx, inner, open)
	if err != nil {
		return NotCommitted, err
	}
	err = outer(context.WithValue(ctx, joinKey{}, j))
	return j.end(err)
}

// Rehearse is Join for a dry run: both calls run to their end, outer first. No
// transaction is opened, and a write that either tries is refused; the calls
// themselves must carry the dry run in their options.
func Rehearse(ctx context.Context, inner Inner, outer func(context.Context) error) error {
	j, err := newJoin(ctx, inner, rehearsing)
	if err != nil {
		return err
	}
	ctx = context.WithValue(ctx, joinKey{}, j)
	if err := outer(ctx); err != nil {
		return err
	}
	return inner.Call(inner.context(ctx))
}

type joinKey struct{}

// joinOf returns the joined write that ctx belongs to, or nil.
func joinOf(ctx context.Context) *join {
	j, _ := ctx.Value(joinKey{}).(*join)
	return j
}

// phase is how far a join has come.
//
//	open → held → committing → committed | unknown
//	  ↑      ↑_________↓ inner conflict or refused by etcd
//	  └──────┘ inner call returned without a commit
type phase int

const (
	open       phase = iota // nothing written: the next write is the outer one
	held                    // the outer write waits for the inner one
	committing              // etcd has been asked
	committed
	unknown    // etcd's answer was lost
	rehearsing // dry run: no write at all
	ended      // Join has returned
)

// join is the state of one Join, shared by all contexts below it. The mutex
// guards against contexts that are used by several goroutines; the calls
// themselves are nested and never wait for each other.
type join struct {
	inner Inner

	mu       sync.Mutex
	phase    phase
	outer    write
	lost     *kubernetes.PutResponse // the outer write's conflict, while held
	revision int64                   // of the commit
	err      error                   // why there is no commit, or none known
}

func newJoin(ctx context.Context, inner Inner, start phase) (*join, error) {
	switch {
	case joinOf(ctx) != nil:
		return nil, fmt.Errorf("joining writes inside a joined write: %w", errMisuse)
	case inner.RequestInfo == nil || inner.Call == nil:
		return nil, fmt.Errorf("joining writes without an inner call and its RequestInfo: %w", errMisuse)
	}
	return &join{inner: inner, phase: start}, nil
}

// put is OptimisticPut inside the join: the outer write or the inner one.
func (j *join) put(ctx context.Context, w write) (kubernetes.PutResponse, error) {
	isOuter, err := j.begin(ctx, w)
	switch {
	case err != nil:
		return kubernetes.PutResponse{}, err
	case isOuter:
		return j.settle(j.inner.Call(j.inner.context(ctx)))
	default:
		return j.commit(ctx, w)
	}
}

// begin decides what a write is and takes the step to held or committing.
func (j *join) begin(ctx context.Context, w write) (isOuter bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch j.phase {
	case open:
		j.phase, j.outer, j.lost, j.err = held, w, nil, nil
		return true, nil
	case held:
	case unknown:
		return false, j.err
	default:
		return false, fmt.Errorf("writing an object of %s when the joined write is %s: %w", w.place.resource, j.phase, errMisuse)
	}
	if j.lost != nil {
		return false, errOuterLost
	}
	if err := j.outer.joinable(w); err != nil {
		return false, err
	}
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("committing joined write: %w", err)
	}
	j.phase = committing
	return false, nil
}

// settle turns the end of the inner call into the answer for the outer write.
func (j *join) settle(innerErr error) (kubernetes.PutResponse, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch j.phase {
	case committed:
		return kubernetes.PutResponse{Succeeded: true, Revision: j.revision}, nil
	case committing:
		j.loseTrack("the inner call returned before its write did")
		return kubernetes.PutResponse{}, j.err
	case unknown:
		return kubernetes.PutResponse{}, j.err
	}
	j.phase = open
	if j.lost != nil {
		return *j.lost, nil
	}
	j.err = innerErr
	if innerErr == nil {
		j.err = fmt.Errorf("joining writes whose inner call changed nothing: %w", errMisuse)
	}
	return kubernetes.PutResponse{}, errInnerRefused
}

// end closes the join for contexts that outlive it and tells what it left.
func (j *join) end(outerErr error) (Outcome, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.phase == committing {
		j.loseTrack("the outer call returned before its write did")
	}
	last := j.phase
	j.phase = ended
	switch {
	case last == committed:
		return Committed, outerErr
	case last == unknown:
		return Unknown, j.err
	case errors.Is(outerErr, errInnerRefused):
		return NotCommitted, j.err
	case outerErr == nil:
		return NotCommitted, fmt.Errorf("joining writes whose outer call wrote nothing through this backend: %w", errMisuse)
	}
	return NotCommitted, outerErr
}

// loseTrack ends all writing: what etcd holds can no longer be told from here.
// The error asks for no Retry-After: client-go would repeat a POST by itself,
// and one with generateName would then be done twice.
func (j *join) loseTrack(why string) {
	j.phase = unknown
	j.err = apierrors.NewTimeoutError(fmt.Sprintf(
		"%s was written together with another object and the answer was lost (%s): either both are stored or neither; read them or repeat the request under the same name",
		j.outer.place.resource, why), 0)
}

func (p phase) String() string {
	return [...]string{"open", "held", "committing", "committed", "unknown", "rehearsed", "ended"}[p]
}
