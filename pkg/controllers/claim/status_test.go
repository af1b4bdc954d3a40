// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// statusNow is the status after a decision.
func statusNow(claim *v1beta1.SandboxClaim, seen observed) v1beta1.SandboxClaimStatus {
	return statusOf(claim, seen, decide(claim, seen, now), now)
}

// What the hot path stored is right, so that following it costs nothing.
func TestStoredStatusesStay(t *testing.T) {
	tests := map[string]struct {
		claim *v1beta1.SandboxClaim
		seen  observed
	}{
		"warm":                  {newClaim(), see(newSandbox())},
		"warm, Sandbox ahead":   {newClaim(), see(newSandbox(func(s *v1beta1.Sandbox) { s.Generation = 3 }))},
		"warm, with a lifetime": {newClaim(ending(time.Hour, deletion)), see(newSandbox())},
		"warm, being deleted":   {newClaim(deletedWith("example.com/mine")), see(newSandbox())},
		"cold, Sandbox silent":  {newClaim(cold), see(newSandbox(silent))},
		"waiting":               {newClaim(inQueue), see(newPool(), newTemplate())},
		"waiting, in other words": {newClaim(inQueue, func(c *v1beta1.SandboxClaim) {
			c.Status.Conditions[0].Message, c.Status.Conditions[1].Message = "patience", "patience"
		}), see(newPool(), newTemplate())},
		"finished":                         {newClaim(claimFinished, readyIs(v1beta1.ReasonPodSucceeded)), see(newSandbox(finishedAgo(time.Hour)))},
		"expired, and the Sandbox goes on": {newClaim(ending(-time.Hour, retain), expired), see(newSandbox())},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := statusNow(test.claim, test.seen)
			assert.True(t, apiequality.Semantic.DeepEqual(test.claim.Status, got), "%v\n%v", test.claim.Status, got)
		})
	}
}

// readyIs sets what a claim says of a Sandbox that is not Ready.
func readyIs(reason string) change {
	return func(c *v1beta1.SandboxClaim) {
		c.Status.Conditions[1] = stored(v1beta1.ConditionReady, metav1.ConditionFalse, reason, "")
	}
}

func TestConditions(t *testing.T) {
	deletedPool := newPool(func(p *v1beta1.SandboxWarmPool) { p.DeletionTimestamp = deleted })
	tests := map[string]struct {
		claim                  *v1beta1.SandboxClaim
		seen                   observed
		bound, ready, finished string
	}{
		"warm": {newClaim(), see(newSandbox()), "True/SandboxBound", "True/DependenciesReady", ""},
		"cold, on its way": {
			newClaim(cold), see(newSandbox(notReady(v1beta1.ReasonDependenciesNotReady, "pulling"))),
			"True/SandboxBound", "False/DependenciesNotReady", "",
		},
		"cold, up": {newClaim(cold), see(newSandbox()), "True/SandboxBound", "True/DependenciesReady", ""},
		"suspended": {
			newClaim(), see(newSandbox(notReady(v1beta1.ReasonSandboxSuspended, ""))), "True/SandboxBound", "False/SandboxSuspended", "",
		},
		"finished": {
			newClaim(), see(newSandbox(finishedAgo(time.Hour))), "True/SandboxBound", "False/PodSucceeded", "True/PodSucceeded",
		},
		"finished no longer": {newClaim(claimFinished), see(newSandbox()), "True/SandboxBound", "True/DependenciesReady", ""},
		"Sandbox expired by itself": {
			newClaim(), see(newSandbox(notReady(v1beta1.ReasonSandboxExpired, ""))), "True/SandboxBound", "False/SandboxExpired", "",
		},
		"status wiped, Sandbox silent": {newClaim(wiped), see(newSandbox(silent)), "True/SandboxBound", "False/SandboxStarting", ""},
		"lost":                         {newClaim(), see(), "False/SandboxLost", "False/SandboxLost", ""},
		"lost after it finished":       {newClaim(claimFinished), see(), "False/SandboxLost", "False/SandboxLost", "True/PodSucceeded"},
		"lost, status wiped":           {newClaim(wiped), see(), "False/SandboxLost", "False/SandboxLost", ""},
		"lost, then over":              {newClaim(ending(-time.Hour, retain)), see(), "False/SandboxLost", "False/ClaimExpired", ""},
		"waiting":                      {newClaim(inQueue), see(newPool(), newTemplate()), "False/WaitingForSandbox", "False/WaitingForSandbox", ""},
		"waiting, status wiped": {
			newClaim(inQueue, wiped), see(newPool(), newTemplate()), "False/WaitingForSandbox", "False/WaitingForSandbox", "",
		},
		"pool gone":       {newClaim(inQueue), see(), "False/PoolNotFound", "False/PoolNotFound", ""},
		"pool going":      {newClaim(inQueue), see(deletedPool, newTemplate()), "False/PoolNotFound", "False/PoolNotFound", ""},
		"template gone":   {newClaim(inQueue), see(newPool()), "False/TemplateNotFound", "False/TemplateNotFound", ""},
		"over":            {newClaim(ending(-time.Hour, retain)), see(newSandbox()), "True/SandboxBound", "False/ClaimExpired", ""},
		"over, waiting":   {newClaim(inQueue, ending(-time.Hour, retain)), see(newPool(), newTemplate()), "False/ClaimExpired", "False/ClaimExpired", ""},
		"over, finished":  {newClaim(withTTL(0, retain)), see(newSandbox(finishedAgo(time.Hour))), "True/SandboxBound", "False/ClaimExpired", "True/PodSucceeded"},
		"over, then more": {newClaim(expired, ending(time.Hour, retain)), see(newSandbox()), "True/SandboxBound", "True/DependenciesReady", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := map[string]string{v1beta1.ConditionBound: test.bound, v1beta1.ConditionReady: test.ready}
			if test.finished != "" {
				want[v1beta1.ConditionFinished] = test.finished
			}
			assert.Equal(t, want, conditions(statusNow(test.claim, test.seen)))
		})
	}
}

// A pool that comes back is no reason for other words than before.
func TestMessagesNameWhatIsMissing(t *testing.T) {
	for name, test := range map[string]struct {
		seen observed
		want string
	}{
		"pool":     {see(), `SandboxWarmPool "python" does not exist: create it, or delete the claim`},
		"template": {see(newPool()), `SandboxTemplate "shell" of pool "python" does not exist: create it, or delete the claim`},
		"Sandbox":  {see(newPool(), newTemplate()), "no Sandbox of pool python is available yet"},
	} {
		t.Run(name, func(t *testing.T) {
			status := statusNow(newClaim(inQueue, wiped, func(c *v1beta1.SandboxClaim) { c.Status.Conditions = nil }), test.seen)
			assert.Equal(t, test.want, meta.FindStatusCondition(status.Conditions, v1beta1.ConditionBound).Message)
		})
	}
}

func TestTimesChangeWithTheStatusOnly(t *testing.T) {
	before := newClaim(cold, func(c *v1beta1.SandboxClaim) { c.Generation = 2 })
	moving := statusNow(before, see(newSandbox(notReady(v1beta1.ReasonDependenciesNotReady, "pulling"))))
	ready := meta.FindStatusCondition(moving.Conditions, v1beta1.ConditionReady)
	assert.Equal(t, at(-time.Minute), ready.LastTransitionTime, "False before and after")
	assert.Equal(t, "pulling", ready.Message)

	up := statusNow(before, see(newSandbox()))
	assert.Equal(t, at(0), meta.FindStatusCondition(up.Conditions, v1beta1.ConditionReady).LastTransitionTime)
	for _, condition := range up.Conditions {
		assert.EqualValues(t, 2, condition.ObservedGeneration)
	}
}

// The TTL counts from the end of the Sandbox, however late it is noticed.
func TestFinishedKeepsTheTimeOfTheSandbox(t *testing.T) {
	status := statusNow(newClaim(), see(newSandbox(finishedAgo(time.Hour))))
	assert.Equal(t, at(-time.Hour), meta.FindStatusCondition(status.Conditions, v1beta1.ConditionFinished).LastTransitionTime)
}

func TestClaimedSandbox(t *testing.T) {
	const fqdn = "python-abc.sandboxes.team.svc.cluster.local"
	moved := newSandbox(func(s *v1beta1.Sandbox) {
		s.Status.PodIPs, s.Status.NodeName = []string{"10.0.0.10"}, "node-2"
	})
	tests := map[string]struct {
		claim *v1beta1.SandboxClaim
		seen  observed
		want  *v1beta1.ClaimedSandbox
	}{
		"follows": {newClaim(), see(moved), &v1beta1.ClaimedSandbox{
			Name: "python-abc", PodIPs: []string{"10.0.0.10"}, NodeName: "node-2", ServiceFQDN: fqdn, LaunchType: v1beta1.LaunchWarm,
		}},
		"a silent Sandbox takes nothing away": {newClaim(cold), see(newSandbox(silent)), &v1beta1.ClaimedSandbox{
			Name: "python-abc", ServiceFQDN: fqdn, LaunchType: v1beta1.LaunchCold,
		}},
		"lost: the name stays": {newClaim(), see(), &v1beta1.ClaimedSandbox{Name: "python-abc", LaunchType: v1beta1.LaunchWarm}},
		"waiting":              {newClaim(inQueue), see(newPool()), nil},
		"wiped, older than the claim": {newClaim(wiped), see(newSandbox(silent)), &v1beta1.ClaimedSandbox{
			Name: "python-abc", LaunchType: v1beta1.LaunchWarm,
		}},
		"wiped, made with the claim": {newClaim(wiped, createdAt(time.Hour)), see(newSandbox(silent)), &v1beta1.ClaimedSandbox{
			Name: "python-abc", LaunchType: v1beta1.LaunchCold,
		}},
		"wiped, waited": {newClaim(inQueue, wiped, createdAt(2*time.Hour)), see(newSandbox(silent)), &v1beta1.ClaimedSandbox{
			Name: "python-abc", LaunchType: v1beta1.LaunchWarm,
		}},
		"another one was stated": {
			newClaim(func(c *v1beta1.SandboxClaim) { c.Status.Sandbox.Name = "python-xyz" }), see(newSandbox()), newClaim().Status.Sandbox,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, statusNow(test.claim, test.seen).Sandbox)
		})
	}
}

func TestStatusSharesNothing(t *testing.T) {
	claim, sandbox := newClaim(), newSandbox()
	status := statusNow(claim, see(sandbox))
	status.Sandbox.PodIPs[0], status.Conditions[0].Reason = "changed", "changed"
	require.Equal(t, newClaim(), claim)
	require.Equal(t, newSandbox(), sandbox)
}
