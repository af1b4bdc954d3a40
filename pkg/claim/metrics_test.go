// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/metrics/testutil"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/warmindex"
)

func TestOutcome(t *testing.T) {
	tests := map[string]struct {
		err  error
		want how
	}{
		"answered":     {nil, warmly},
		"empty pool":   {apierrors.NewTooManyRequests("empty", 1), rejected},
		"not found":    {apierrors.NewNotFound(sandbox.Resource("sandboxes"), "x"), refused},
		"conflict":     {errOfUser, refused},
		"etcd is away": {apierrors.NewTimeoutError("lost", 0), failed},
		"internal":     {apierrors.NewInternalError(errors.New("oops")), failed},
		"no answer":    {context.Canceled, failed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, outcome(warmly, test.err))
		})
	}
}

var errOfUser = conflict("mine", "because")

func TestAgain(t *testing.T) {
	bound := &sandbox.SandboxClaim{Status: sandbox.SandboxClaimStatus{Sandbox: &sandbox.ClaimedSandbox{Name: "dev"}}}
	server := request.WithUser(t.Context(), &user.DefaultInfo{Name: user.APIServerUser})
	assert.Equal(t, wasServed, again(server, bound))
	assert.Equal(t, repeated, again(server, &sandbox.SandboxClaim{}), "it waits on")
	assert.Equal(t, repeated, again(server, nil))
	assert.Equal(t, repeated, again(t.Context(), bound), "a user only asks again")
}

func TestClaimsAreCounted(t *testing.T) {
	index := warmindex.New[*v1beta1.Sandbox](warmindex.Options{})
	pool := warmindex.Key{Namespace: "team", Name: "python"}
	index.Track(pool)
	claimer := New(Options{Index: index})
	ctx := request.WithNamespace(t.Context(), "team")
	call := func(pool string, ended how, dryRun ...string) {
		r := Request{Claim: &sandbox.SandboxClaim{}, Options: &metav1.CreateOptions{DryRun: dryRun}}
		r.Claim.Spec.WarmPoolRef.Name = pool
		_, err := claimer.watched(ctx, r, func(context.Context, Request) (*sandbox.SandboxClaim, how, error) { return nil, ended, nil })
		require.NoError(t, err)
	}
	before := counted(t, warmly)
	call("python", warmly)
	call("python", warmly)
	call("python", warmly, metav1.DryRunAll)
	call("python", rejected)
	call("python", refused)
	call("python", repeated)
	call("python", wasServed)
	call("nowhere", coldly)
	assert.Equal(t, before+2, counted(t, warmly), "a dry run is no claim")
	assert.Equal(t, map[warmindex.Key]map[string]uint64{pool: {"warm": 2, "rejected": 1}}, index.Stats().Answered,
		"new claims of pools that exist")

	claimer.observe(ctx, Request{Claim: &sandbox.SandboxClaim{}}, warmly, time.Second)
	assert.Equal(t, before+3, counted(t, warmly), "a call without options is one")
}

func counted(t *testing.T, ended how) uint64 {
	t.Helper()
	const name = "sandbox_apiserver_claim_duration_seconds"
	histograms, err := testutil.GetHistogramVecFromGatherer(legacyregistry.DefaultGatherer, name, map[string]string{"outcome": string(ended)})
	if err != nil { // nothing has been observed yet
		return 0
	}
	return histograms.GetAggregatedSampleCount()
}
