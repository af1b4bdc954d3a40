// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestHolds(t *testing.T) {
	nameless := claimedBy("mine", "")
	assert.True(t, holds(newClaim(), newSandbox()))
	assert.False(t, holds(newClaim(), newSandbox(unclaimed)))
	assert.False(t, holds(newClaim(withUID("uid-after")), newSandbox()), "the name alone proves nothing")
	assert.False(t, holds(newClaim(withUID("")), newSandbox(nameless)), "nor does no UID")
}

func TestAbandoned(t *testing.T) {
	tests := map[string]struct {
		sandbox *v1beta1.Sandbox
		claim   *v1beta1.SandboxClaim
		want    bool
	}{
		"claim is there":                {newSandbox(), newClaim(), false},
		"claim is gone":                 {newSandbox(), nil, true},
		"another claim of that name":    {newSandbox(), newClaim(withUID("uid-after")), true},
		"orphaned":                      {newSandbox(orphaned), nil, false},
		"controlled by somebody else":   {newSandbox(ownedBy("Agent", "mine", "uid-agent")), nil, false},
		"controlled by its pool":        {newSandbox(ownedBy(poolKind, "python", "uid-python")), nil, false},
		"on its way already":            {newSandbox(sandboxDeleted), nil, false},
		"never claimed":                 {newSandbox(unclaimed), nil, false},
		"claimRef without UID":          {newSandbox(claimedBy("mine", "")), nil, false},
		"claim is there, being deleted": {newSandbox(), newClaim(deletedWith(metav1.FinalizerOrphanDependents)), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, abandoned(test.sandbox, test.claim)) })
	}
}

func TestAvailable(t *testing.T) {
	tests := map[string]struct {
		sandbox *v1beta1.Sandbox
		want    bool
	}{
		"member":             {newSandbox(unclaimed), true},
		"claimed":            {newSandbox(), false},
		"claimed meanwhile":  {newSandbox(unclaimed, func(s *v1beta1.Sandbox) { s.Spec.ClaimRef = newSandbox().Spec.ClaimRef }), false},
		"bare":               {newSandbox(unclaimed, orphaned), false},
		"of another kind":    {newSandbox(unclaimed, ownedBy("Agent", "python", "uid-python")), false},
		"not Ready":          {newSandbox(unclaimed, notReady(v1beta1.ReasonDependenciesNotReady, "")), false},
		"silent":             {newSandbox(unclaimed, silent), false},
		"Ready as it was":    {newSandbox(unclaimed, func(s *v1beta1.Sandbox) { s.Generation = 3 }), false},
		"being deleted":      {newSandbox(unclaimed, sandboxDeleted), false},
		"readiness unknown":  {newSandbox(unclaimed, func(s *v1beta1.Sandbox) { s.Status.Conditions[0].Status = metav1.ConditionUnknown }), false},
		"of whatever claims": {newSandbox(unclaimed, sandboxNamed("python-xyz")), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, available(test.sandbox)) })
	}
}

func TestWaits(t *testing.T) {
	tests := map[string]struct {
		claim *v1beta1.SandboxClaim
		want  bool
	}{
		"in the queue":               {newClaim(inQueue), true},
		"just stored":                {newClaim(inQueue, wiped), true},
		"served":                     {newClaim(func(c *v1beta1.SandboxClaim) { c.Spec.OnEmptyPool = v1beta1.OnEmptyPoolWait }), false},
		"lost what it had":           {newClaim(inQueue, func(c *v1beta1.SandboxClaim) { c.Status.Sandbox = &v1beta1.ClaimedSandbox{Name: "python-abc"} }), false},
		"being deleted":              {newClaim(inQueue, deletedWith("example.com/mine")), false},
		"cold start":                 {newClaim(wiped), false},
		"bound, Sandbox not named":   {newClaim(func(c *v1beta1.SandboxClaim) { c.Spec.OnEmptyPool, c.Status.Sandbox = v1beta1.OnEmptyPoolWait, nil }), false},
		"over, which is not asked":   {newClaim(inQueue, ending(-time.Hour, retain)), true},
		"rejected, which is nothing": {newClaim(wiped, func(c *v1beta1.SandboxClaim) { c.Spec.OnEmptyPool = v1beta1.OnEmptyPoolReject }), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, waits(test.claim)) })
	}
}
