// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

func TestMembership(t *testing.T) {
	pool := newPool(1)
	tests := map[string]struct {
		change sandboxChange
		want   bool
	}{
		"made for it":       {func(*v1beta1.Sandbox) {}, true},
		"without labels":    {func(s *v1beta1.Sandbox) { s.Labels = nil }, true},
		"being deleted":     {isDeleted, true},
		"claimed":           {isClaimed, false},
		"about to be":       {func(s *v1beta1.Sandbox) { s.Spec.ClaimRef = &v1beta1.SandboxClaimReference{Name: "mine"} }, false},
		"with labels alone": {isUnowned, false},
		"another pool's":    {func(s *v1beta1.Sandbox) { s.OwnerReferences[0].UID = "uid-before" }, false},
		"of another kind":   {func(s *v1beta1.Sandbox) { s.OwnerReferences[0].Kind = "SandboxClaim" }, false},
		"of another group":  {func(s *v1beta1.Sandbox) { s.OwnerReferences[0].APIVersion = "example.com/v1beta1" }, false},
		"not controlled":    {func(s *v1beta1.Sandbox) { s.OwnerReferences[0].Controller = nil }, false},
		"elsewhere":         {func(s *v1beta1.Sandbox) { s.Namespace = "other" }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, isMember(newMember(1, test.change), pool))
		})
	}
}

func TestHealth(t *testing.T) {
	young := aged(time.Minute)
	since := func(kind string, ago time.Duration) sandboxChange {
		return func(s *v1beta1.Sandbox) {
			for i := range s.Status.Conditions {
				if s.Status.Conditions[i].Type == kind {
					s.Status.Conditions[i].LastTransitionTime = metav1.NewTime(now.Add(-ago))
				}
			}
		}
	}
	reason := func(reason string) sandboxChange {
		return func(s *v1beta1.Sandbox) {
			setCondition(s, v1beta1.ConditionReady, metav1.ConditionFalse, reason, "")
		}
	}
	tests := map[string]struct {
		changes []sandboxChange
		want    health
		stuckIn time.Duration
	}{
		"up":                             {[]sandboxChange{isUp}, healthy, 0},
		"up, though the status lags":     {[]sandboxChange{isUp, isLagging}, healthy, 0},
		"ended":                          {[]sandboxChange{hasEnded}, finished, 0},
		"ended, though it says Ready":    {[]sandboxChange{hasEnded, isUp}, finished, 0},
		"no status yet":                  {nil, starting, 0},
		"no Pod yet":                     {[]sandboxChange{reason(v1beta1.ReasonDependenciesNotReady)}, starting, 0},
		"no node":                        {[]sandboxChange{isUnschedulable}, unplaced, 0},
		"its Pod is refused":             {[]sandboxChange{isRefused}, unplaced, 0},
		"young":                          {[]sandboxChange{young, isDown}, starting, unreadyGrace - 59*time.Second},
		"old":                            {[]sandboxChange{isDown}, stuck, 0},
		"was Ready until now":            {[]sandboxChange{isDown, since(v1beta1.ConditionReady, time.Minute)}, starting, unreadyGrace - time.Minute},
		"waited long for a node":         {[]sandboxChange{isDown, since(v1beta1.ConditionPodScheduled, time.Second)}, starting, unreadyGrace - time.Second},
		"something foreign has its name": {[]sandboxChange{reason(v1beta1.ReasonNameConflict)}, stuck, 0},
		"somebody has suspended it":      {[]sandboxChange{reason(v1beta1.ReasonSandboxSuspended)}, stuck, 0},
		"it has a node and an error":     {[]sandboxChange{young, isDown, reason(v1beta1.ReasonReconcilerError)}, starting, unreadyGrace - 59*time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			health, stuckAt := healthOf(newMember(0, test.changes...), now)
			assert.Equal(t, test.want, health)
			if test.want == starting {
				if test.stuckIn == 0 {
					assert.Zero(t, stuckAt)
				} else {
					assert.Equal(t, test.stuckIn, stuckAt.Sub(now))
				}
			}
		})
	}
}

func TestReadyMeansAtTheCurrentGeneration(t *testing.T) {
	assert.True(t, memberOf(newMember(1, isUp), blueprint{}, now).ready)
	assert.False(t, memberOf(newMember(1, isUp, isLagging), blueprint{}, now).ready)
	assert.False(t, memberOf(newMember(1), blueprint{}, now).ready)
}

func TestStaleness(t *testing.T) {
	from := func(image string) blueprint {
		template := newTemplate(image)
		return blueprint{template, render.TemplateHash(template)}
	}
	assert.False(t, isStale(newMember(1), from("v1")))
	assert.True(t, isStale(newMember(1), from("v2")))
	assert.False(t, isStale(newMember(1, isOld), blueprint{}), "there is nothing newer")
	renamed := from("v1")
	renamed.template.Name = "other"
	assert.True(t, isStale(newMember(1), renamed), "its network policy is another template's")
}
