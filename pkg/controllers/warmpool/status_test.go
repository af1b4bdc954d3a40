// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func outcomeOf(seen observed) outcome {
	return outcome{pool: newPool(int32(seen.replicas), withStrategy(seen.strategy)), seen: seen, plan: decide(seen, now)}
}

func TestStatusCounts(t *testing.T) {
	status := statusOf(outcomeOf(see(9, members(1, 3, isUp), members(4, 2, isUp, isOld), members(6, 1, isUp, isLagging), members(7, 1, isDown))), now)
	assert.EqualValues(t, 7, status.Replicas)
	assert.EqualValues(t, 5, status.ReadyReplicas)
	assert.EqualValues(t, 2, status.StaleReplicas)
	assert.Equal(t, "sandbox.agents.x-k8s.io/warm-pool=warm,!sandbox.agents.x-k8s.io/claim", status.Selector)
	assert.EqualValues(t, 2, status.ObservedGeneration)
}

func TestConditions(t *testing.T) {
	refused := func(seen observed) outcome {
		o := outcomeOf(seen)
		o.problem = "exceeded quota"
		return o
	}
	round := brake{round: now, delay: time.Minute}
	tests := map[string]struct {
		outcome                outcome
		progressing, available string
		message                string
	}{
		"complete":    {outcomeOf(see(2, members(1, 2, isUp))), "True/Complete", "True/ReplicasReady", "2 of 2 Sandboxes are Ready"},
		"nothing":     {outcomeOf(see(0)), "True/Complete", "True/ReplicasReady", "0 of 0 Sandboxes are Ready"},
		"empty":       {outcomeOf(see(2)), "True/Filling", "False/ReplicasNotReady", "0 of 2 Sandboxes are Ready"},
		"starting":    {outcomeOf(see(1, members(1, 1))), "True/Filling", "False/ReplicasNotReady", "0 of 1 Sandboxes are Ready; 1 are starting"},
		"no template": {outcomeOf(see(1, members(1, 1, isUp)).withoutTemplate()), "False/TemplateNotFound", "True/ReplicasReady", "1 of 1 Sandboxes are Ready"},
		"refused":     {refused(see(2, members(1, 1, isUp))), "False/FailedCreate", "False/ReplicasNotReady", "1 of 2 Sandboxes are Ready"},
		"refused once, full now": {
			refused(see(1, members(1, 1, isUp))), "True/Complete", "True/ReplicasReady", "1 of 1 Sandboxes are Ready",
		},
		"unschedulable": {
			outcomeOf(see(3, members(1, 1, isUp), members(2, 2, isUnschedulable))), "False/SandboxesBlocked", "False/ReplicasNotReady",
			`1 of 3 Sandboxes are Ready; 2 cannot run yet, for example "warm-2": the Pod cannot be scheduled: no node`,
		},
		"Pods refused": {
			outcomeOf(see(1, members(1, 1, isRefused))), "False/SandboxesBlocked", "False/ReplicasNotReady",
			`0 of 1 Sandboxes are Ready; 1 cannot run yet, for example "warm-1": creating Pod: exceeded quota`,
		},
		"image": {
			outcomeOf(see(1, members(1, 1, aged(time.Minute), isDown))), "True/Filling", "False/ReplicasNotReady",
			`0 of 1 Sandboxes are Ready; 1 are starting, for example "warm-1": container "main": ImagePullBackOff`,
		},
		"image, for long": {
			outcomeOf(see(1, members(1, 1, isDown)).after(round)), "False/SandboxesFail", "False/ReplicasNotReady",
			`0 of 1 Sandboxes are Ready; 1 did not become Ready in time, for example "warm-1": container "main": ImagePullBackOff`,
		},
		"they end": {
			outcomeOf(see(2, members(1, 2, hasEnded)).after(round)), "False/SandboxesFail", "False/ReplicasNotReady",
			`0 of 2 Sandboxes are Ready; 2 ended, for example "warm-1": it exited with code 0`,
		},
		"too many":    {outcomeOf(see(1, members(1, 2, isUp))), "True/Shrinking", "True/ReplicasReady", "1 of 1 Sandboxes are Ready"},
		"stale, kept": {outcomeOf(see(1, members(1, 1, isUp, isOld))), "True/Complete", "True/ReplicasReady", "1 of 1 Sandboxes are Ready"},
		"stale, to go": {
			outcomeOf(see(1, members(1, 1, isUp, isOld)).with(recreate)), "True/RollingOut", "False/ReplicasNotReady", "0 of 1 Sandboxes are Ready",
		},
		"stale, to go in turn": {
			outcomeOf(see(1, members(1, 1, isUp, isOld)).with(rolling(intstr.FromInt32(1)))), "True/RollingOut", "True/ReplicasReady", "1 of 1 Sandboxes are Ready",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status := statusOf(test.outcome, now)
			got := func(kind string) *metav1.Condition { return meta.FindStatusCondition(status.Conditions, kind) }
			text := func(c *metav1.Condition) string { return string(c.Status) + "/" + c.Reason }
			assert.Equal(t, test.progressing, text(got(v1beta1.ConditionProgressing)))
			assert.Equal(t, test.available, text(got(v1beta1.ConditionAvailable)))
			assert.Equal(t, test.message, got(v1beta1.ConditionAvailable).Message)
			for _, condition := range status.Conditions {
				assert.NotEmpty(t, condition.Message)
				assert.EqualValues(t, 2, condition.ObservedGeneration)
			}
		})
	}
}

func TestStatusOfAnUnchangedStateIsEqual(t *testing.T) {
	o := outcomeOf(see(2, members(1, 1, isUp), members(2, 1, isUnschedulable)))
	o.pool.Status = statusOf(o, now)
	assert.Equal(t, o.pool.Status, statusOf(o, now.Add(time.Hour)))
}

// Which member is quoted must not change when others come and go.
func TestTheOldestIsQuoted(t *testing.T) {
	seen := see(3, members(1, 3, isUnschedulable))
	assert.Equal(t, `3 cannot run yet, for example "warm-1": the Pod cannot be scheduled: no node`, explain(seen.members))
	seen.members[0], seen.members[2] = seen.members[2], seen.members[0]
	assert.Contains(t, explain(seen.members), `"warm-1"`)
	assert.Empty(t, explain(see(1, members(1, 1, isUp)).members))
}

func TestUrgentStatus(t *testing.T) {
	full := statusOf(outcomeOf(see(2, members(1, 2, isUp))), now)
	drawn := statusOf(outcomeOf(see(2, members(1, 1, isUp))), now)
	orphaned := statusOf(outcomeOf(see(2, members(1, 1, isUp)).withoutTemplate()), now)
	scaled := *full.DeepCopy()
	scaled.ObservedGeneration++
	assert.False(t, urgent(full, drawn), "that is what pools are for")
	assert.True(t, urgent(full, orphaned))
	assert.True(t, urgent(orphaned, full))
	assert.True(t, urgent(full, scaled))
}

func TestTroubleIsReportedOnce(t *testing.T) {
	status := func(status metav1.ConditionStatus, reason, message string) v1beta1.SandboxWarmPoolStatus {
		return v1beta1.SandboxWarmPoolStatus{Conditions: []metav1.Condition{
			{Type: v1beta1.ConditionProgressing, Status: status, Reason: reason, Message: message},
		}}
	}
	fine := status(metav1.ConditionTrue, reasonComplete, "")
	blocked := status(metav1.ConditionFalse, reasonSandboxesBlocked, "1 cannot run")
	refused := status(metav1.ConditionFalse, reasonFailedCreate, "quota")
	told := func(before, after v1beta1.SandboxWarmPoolStatus) (reasons []string) {
		for _, note := range troubles(before, after) {
			reasons = append(reasons, note.Reason)
		}
		return reasons
	}
	assert.Empty(t, told(blocked, fine))
	assert.Equal(t, []string{reasonSandboxesBlocked}, told(fine, blocked))
	assert.Equal(t, []string{reasonSandboxesBlocked}, told(v1beta1.SandboxWarmPoolStatus{}, blocked))
	assert.Empty(t, told(blocked, status(metav1.ConditionFalse, reasonSandboxesBlocked, "2 cannot run")))
	assert.Equal(t, []string{reasonFailedCreate}, told(blocked, refused))
	assert.Empty(t, told(refused, refused))
	assert.Equal(t, []string{reasonFailedCreate}, told(refused, status(metav1.ConditionFalse, reasonFailedCreate, "webhook")))

	withholding := func(status metav1.ConditionStatus, reason string) v1beta1.SandboxWarmPoolStatus {
		return v1beta1.SandboxWarmPoolStatus{Conditions: append(refused.DeepCopy().Conditions,
			metav1.Condition{Type: v1beta1.ConditionWithheld, Status: status, Reason: reason})}
	}
	some, none := withholding(metav1.ConditionTrue, reasonLossConfirmed), withholding(metav1.ConditionFalse, reasonNoneWithheld)
	assert.Equal(t, []string{reasonFailedCreate, reasonLossConfirmed}, told(fine, some))
	assert.Equal(t, []string{reasonLossConfirmed}, told(none, some))
	assert.Empty(t, told(some, some))
	assert.Empty(t, told(some, none))
}

func TestErrorMessage(t *testing.T) {
	resource := v1beta1.Resource("sandboxes")
	wrap := func(err error) error { return &createError{name: "warm-x7k2q", err: err} }
	tests := map[string]struct {
		err  error
		want string
	}{
		"quota": {
			wrap(apierrors.NewForbidden(resource, "warm-x7k2q", errors.New("exceeded quota: small"))),
			`creating a Sandbox: sandboxes.sandbox.agents.x-k8s.io "warm-*" is forbidden: exceeded quota: small`,
		},
		"no answer": {wrap(errors.New("dial 127.0.0.1:4711: refused")), "creating a Sandbox: the server does not answer"},
		"taken":     {wrap(errTaken), "creating a Sandbox: there is a Sandbox of that name, and it is not this pool's"},
		"other":     {errNotSent, "the term has ended"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, errorMessage(test.err, "warm"))
		})
	}
	assert.Equal(t, `creating Sandbox "warm-x7k2q": no`, wrap(errors.New("no")).Error())
}

func TestClip(t *testing.T) {
	long := strings.Repeat("ü", maxMessage)
	clipped := clip(long)
	assert.LessOrEqual(t, len(clipped), maxMessage)
	require.True(t, strings.HasSuffix(clipped, "ü…"))
	assert.Equal(t, "short", clip("short"))
	assert.LessOrEqual(t, len(errorMessage(fmt.Errorf("%s", long), "warm")), maxMessage)
}
