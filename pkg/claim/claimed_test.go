// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func member() *sandbox.Sandbox {
	return &sandbox.Sandbox{
		ObjectMeta: metav1.ObjectMeta{
			Name: "one", UID: "u1", Generation: 2,
			OwnerReferences: []metav1.OwnerReference{{Kind: "SandboxWarmPool", UID: "p1", Controller: ptr.To(true)}},
		},
		Spec: sandbox.SandboxSpec{OperatingMode: sandbox.SandboxRunning},
		Status: sandbox.SandboxStatus{
			PodIPs: []string{"10.0.0.1"}, NodeName: "n1", ServiceFQDN: "one.sandboxes",
			Conditions: []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: 2, Reason: "R", Message: "m"}},
		},
	}
}

func TestAvailable(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sandbox.Sandbox)
		want   bool
	}{
		"as it should be":    {func(*sandbox.Sandbox) {}, true},
		"being deleted":      {func(s *sandbox.Sandbox) { s.DeletionTimestamp = &metav1.Time{} }, false},
		"claimed":            {func(s *sandbox.Sandbox) { s.Spec.ClaimRef = &sandbox.SandboxClaimReference{} }, false},
		"nobody's":           {func(s *sandbox.Sandbox) { s.OwnerReferences = nil }, false},
		"a claim's":          {func(s *sandbox.Sandbox) { s.OwnerReferences[0].Kind = "SandboxClaim" }, false},
		"suspended":          {func(s *sandbox.Sandbox) { s.Spec.OperatingMode = sandbox.SandboxSuspended }, false},
		"not Ready":          {func(s *sandbox.Sandbox) { s.Status.Conditions[0].Status = metav1.ConditionFalse }, false},
		"Ready before":       {func(s *sandbox.Sandbox) { s.Generation = 3 }, false},
		"without conditions": {func(s *sandbox.Sandbox) { s.Status.Conditions = nil }, false},
		"without an address": {func(s *sandbox.Sandbox) { s.Status.PodIPs = nil }, false},
		"finished": {func(s *sandbox.Sandbox) {
			s.Status.Conditions = append(s.Status.Conditions, metav1.Condition{Type: v1beta1.ConditionFinished, Status: metav1.ConditionTrue})
		}, false},
	} {
		sbx := member()
		c.change(sbx)
		assert.Equal(t, c.want, available(sbx), name)
	}
}

func TestSameAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sandbox.Sandbox)
		want   bool
	}{
		"another label":         {func(s *sandbox.Sandbox) { s.Labels = map[string]string{"a": "b"} }, true},
		"another Sandbox":       {func(s *sandbox.Sandbox) { s.UID = "u2" }, false},
		"another pool":          {func(s *sandbox.Sandbox) { s.OwnerReferences[0].UID = "p2" }, false},
		"another address":       {func(s *sandbox.Sandbox) { s.Status.PodIPs = []string{"10.0.0.2"} }, false},
		"another node":          {func(s *sandbox.Sandbox) { s.Status.NodeName = "n2" }, false},
		"another name to reach": {func(s *sandbox.Sandbox) { s.Status.ServiceFQDN = "two.sandboxes" }, false},
	} {
		sbx := member()
		c.change(sbx)
		assert.Equal(t, c.want, sameAnswer(sbx, member()), name)
	}
}

func TestStatusOfANewClaim(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 5, time.UTC)
	bound, ready := v1beta1.ConditionBound, v1beta1.ConditionReady
	for name, c := range map[string]struct {
		status       sandbox.SandboxClaimStatus
		bound, ready string
		sandbox      *sandbox.ClaimedSandbox
	}{
		"warm": {warmStatus(1, member(), now), v1beta1.ReasonSandboxBound, "R", &sandbox.ClaimedSandbox{
			Name: "one", PodIPs: []string{"10.0.0.1"}, ServiceFQDN: "one.sandboxes", NodeName: "n1", LaunchType: sandbox.LaunchWarm,
		}},
		"cold": {coldStatus(1, "new", "new.sandboxes", now), v1beta1.ReasonSandboxBound, v1beta1.ReasonSandboxStarting,
			&sandbox.ClaimedSandbox{Name: "new", ServiceFQDN: "new.sandboxes", LaunchType: sandbox.LaunchCold}},
		"waiting": {waitingStatus(1, "python", now), v1beta1.ReasonWaitingForSandbox, v1beta1.ReasonWaitingForSandbox, nil},
	} {
		assert.Equal(t, c.bound, meta.FindStatusCondition(c.status.Conditions, bound).Reason, name)
		assert.Equal(t, c.ready, meta.FindStatusCondition(c.status.Conditions, ready).Reason, name)
		assert.Equal(t, name == "warm", meta.IsStatusConditionTrue(c.status.Conditions, ready), name)
		assert.Equal(t, c.sandbox != nil, meta.IsStatusConditionTrue(c.status.Conditions, bound), name)
		assert.Equal(t, c.sandbox, c.status.Sandbox, name)
		for _, condition := range c.status.Conditions {
			assert.EqualValues(t, 1, condition.ObservedGeneration, name)
			assert.Zero(t, condition.LastTransitionTime.Nanosecond(), "%s: stored times have whole seconds", name)
		}
	}
}
