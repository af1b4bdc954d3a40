// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/component-base/tracing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/storage/transaction"
)

const (
	// maxRaces is how many Sandboxes a claim may lose to others while it trusts the
	// index. From then on each is read from etcd before it is drawn; a claim that
	// may start cold does so when it loses one of those as well.
	maxRaces = 8
	// maxNames is how many names are tried for a Sandbox that is started cold, as
	// many as for an object with generateName.
	maxNames = 8
)

var (
	// errLost says that the Sandbox went to somebody else: try another one.
	errLost = errors.New("the Sandbox was claimed meanwhile")
	// errNameTaken says that there is a Sandbox of that name: try another one.
	errNameTaken = errors.New("the name of the Sandbox is taken")
)

// Claimer answers claims. It is safe for concurrent use.
type Claimer struct {
	Options
}

// New returns a Claimer over the stores; nothing runs.
func New(options Options) *Claimer {
	registerMetrics()
	return &Claimer{Options: options}
}

// Request is one claim as it came through a door.
type Request struct {
	// Claim is what was posted, defaulted and mutated. It is not changed.
	Claim *sandbox.SandboxClaim
	// Sandbox is the very one that is wanted; empty for any of the pool.
	Sandbox string
	// UID, where given, is that of the stored claim that is meant: no other one is
	// answered with, and none is made.
	UID types.UID
	// Admit runs validating admission on the claim.
	Admit rest.ValidateObjectFunc
	// Options of the create call; a dry run writes nothing.
	Options *metav1.CreateOptions
}

// Claim answers a claim that must be new: a claim of its name is 409.
func (c *Claimer) Claim(ctx context.Context, r Request) (*sandbox.SandboxClaim, error) {
	return c.watched(ctx, r, c.claim)
}

// ClaimOnce is Claim for a claim that was not posted to its own resource, so
// its admission is run here. A claim of the same name and spec is answered as it
// is: a client may repeat the call until it gets an answer. For the server itself
// a claim that waits is given a Sandbox if one is available by now; a client that
// could do so would overtake the claims that have waited longer.
func (c *Claimer) ClaimOnce(ctx context.Context, r Request) (*sandbox.SandboxClaim, error) {
	return c.watched(ctx, r, c.claimOnce)
}

func (c *Claimer) claimOnce(ctx context.Context, r Request) (*sandbox.SandboxClaim, how, error) {
	// Admission first: what is stored under the name has been mutated as well.
	r, err := c.admit(ctx, r)
	if err != nil {
		return nil, refused, err
	}
	if r.UID != "" || c.mayExist(ctx, r.Claim.Name) {
		existing, err := c.existing(ctx, r)
		if existing != nil || err != nil {
			return existing, again(ctx, existing), err
		}
	}
	if r.UID != "" {
		return nil, refused, conflict(r.Claim.Name, "there is no claim with UID "+string(r.UID)+": it has been deleted")
	}
	answer, how, err := c.claim(ctx, r)
	if !apierrors.IsAlreadyExists(err) {
		return answer, how, err
	}
	// Another call of the same name was faster.
	if existing, getErr := c.existing(ctx, r); existing != nil || getErr != nil {
		return existing, again(ctx, existing), getErr
	}
	return nil, refused, err
}

// mayExist asks the watch cache, which costs nothing, whether etcd is worth asking.
func (c *Claimer) mayExist(ctx context.Context, name string) bool {
	if name == "" {
		return false
	}
	_, err := c.Claims.Get(ctx, name, &metav1.GetOptions{ResourceVersion: "0"})
	return !apierrors.IsNotFound(err)
}

// admit runs the admission of sandboxclaims on top of that of the action.
func (c *Claimer) admit(ctx context.Context, r Request) (Request, error) {
	r.Claim = r.Claim.DeepCopy()
	validate, err := c.Admission.Admit(ctx, "sandboxclaims", r.Claim, dryrun.IsDryRun(r.Options.DryRun))
	if err != nil {
		return r, err
	}
	action := r.Admit
	r.Admit = func(ctx context.Context, obj runtime.Object) error {
		if err := action(ctx, obj); err != nil {
			return err
		}
		return validate(ctx, obj)
	}
	return r, nil
}

func (c *Claimer) claim(ctx context.Context, r Request) (*sandbox.SandboxClaim, how, error) {
	pool, err := c.pool(ctx, r)
	if err != nil {
		return nil, refused, err
	}
	ctx = withCharges(ctx)
	for lost, taken := 0, 0; ; {
		launch, err := c.choose(ctx, r, pool, lost)
		if err != nil {
			return nil, refused, err
		}
		answer, err := c.join(ctx, r, launch)
		switch {
		case errors.Is(err, errLost):
			lost++
			racesLost.Inc()
		case errors.Is(err, errNameTaken):
			if taken++; taken == maxNames {
				return nil, refused, nameless(r.Claim.Name)
			}
		default:
			return answer, launch.how(), err
		}
	}
}

// launch is one way to answer a claim.
type launch interface {
	// begin fills the status of the claim that is about to be stored. It may be
	// called again with another name, and must not write.
	begin(ctx context.Context, claim *sandbox.SandboxClaim) error
	// bind makes the one write of the Sandbox.
	bind(ctx context.Context) error
	// end is called once, whatever came of it, and returns the error for the caller.
	end(outcome transaction.Outcome, err error) error
	how() how
}

// join stores the claim and lets the launch bind its Sandbox in the same transaction.
func (c *Claimer) join(ctx context.Context, r Request, l launch) (*sandbox.SandboxClaim, error) {
	ctx, span := tracing.Start(ctx, "Store claim and Sandbox", attribute.String("launch", string(l.how())))
	defer span.End(slow)
	var answer *sandbox.SandboxClaim
	store := func(ctx context.Context) error {
		obj, err := c.Claims.Create(withLaunch(ctx, l), r.Claim.DeepCopy(), r.Admit, r.Options)
		if err == nil {
			answer = obj.(*sandbox.SandboxClaim)
		}
		return err
	}
	return answer, c.together(ctx, l, store, dryrun.IsDryRun(r.Options.DryRun))
}

// together runs the outer write store and the launch's bind in one transaction,
// or both without one for a dry run.
func (c *Claimer) together(ctx context.Context, l launch, store func(context.Context) error, dryRun bool) error {
	if _, alone := l.(*waiting); alone {
		return l.end(transaction.NotCommitted, store(ctx))
	}
	inner := transaction.Inner{RequestInfo: sandboxRequest(ctx), Call: l.bind}
	if dryRun {
		return l.end(transaction.NotCommitted, transaction.Rehearse(ctx, inner, store))
	}
	return l.end(transaction.Join(ctx, inner, store))
}

// sandboxRequest describes the inner call, so that errors of the sandboxes
// store do not speak of claims.
func sandboxRequest(ctx context.Context) *request.RequestInfo {
	return &request.RequestInfo{
		IsResourceRequest: true, Verb: "update",
		APIPrefix: "apis", APIGroup: sandbox.GroupName, APIVersion: v1beta1.SchemeGroupVersion.Version,
		Namespace: request.NamespaceValue(ctx), Resource: "sandboxes",
	}
}

type launchKey struct{}

func withLaunch(ctx context.Context, l launch) context.Context {
	return context.WithValue(ctx, launchKey{}, l)
}

// Begin is the BeginCreate hook of the claims store: it replaces the status
// that the user sent by the one that the launch gives.
func Begin(ctx context.Context, claim *sandbox.SandboxClaim) error {
	claim.Status = sandbox.SandboxClaimStatus{}
	if l, ok := ctx.Value(launchKey{}).(launch); ok {
		return l.begin(ctx, claim)
	}
	return nil
}
