// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

func TestUrgency(t *testing.T) {
	ownedBy := func(group, kind string) change {
		gvk := schema.GroupVersion{Group: group, Version: "v1beta1"}.WithKind(kind)
		return func(s *v1beta1.Sandbox) {
			s.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(&v1beta1.SandboxWarmPool{}, gvk)}
		}
	}
	pools, claims := ownedBy(v1beta1.GroupName, "SandboxWarmPool"), ownedBy(v1beta1.GroupName, "SandboxClaim")
	claimed := func(s *v1beta1.Sandbox) { s.Spec.ClaimRef = &v1beta1.SandboxClaimReference{Name: "mine"} }
	begun := func(s *v1beta1.Sandbox) {
		s.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse}}
	}
	ready := func(generation int64) change {
		return func(s *v1beta1.Sandbox) {
			s.Generation = 2
			s.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: generation}}
		}
	}
	leaving := func(s *v1beta1.Sandbox) { s.DeletionTimestamp = deleted }
	tests := map[string]struct {
		sandbox *v1beta1.Sandbox
		urgency worker.Urgency
	}{
		"new":                               {newSandbox(), worker.Normal},
		"begun":                             {newSandbox(begun), worker.Urgent},
		"cold, for a claim":                 {newSandbox(claims, claimed), worker.Normal},
		"for a claim, begun":                {newSandbox(claims, claimed, begun), worker.Urgent},
		"for a claim, warm":                 {newSandbox(claims, claimed, ready(2)), worker.Normal},
		"Ready before, asked for a change":  {newSandbox(claims, claimed, ready(1)), worker.Urgent},
		"a pool's":                          {newSandbox(pools), worker.Background},
		"a pool's, begun":                   {newSandbox(pools, begun), worker.Background},
		"a pool's, being deleted":           {newSandbox(pools, begun, leaving), worker.Urgent},
		"claimed, whoever seems to own it":  {newSandbox(pools, claimed, begun), worker.Urgent},
		"of another API's kind of the name": {newSandbox(ownedBy("example.com", "SandboxWarmPool"), begun), worker.Urgent},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.urgency, urgencyOf(test.sandbox)) })
	}
}

// The queue asks the cache, which knows a Sandbox before its key is queued.
func TestUrgencyIsThatOfTheCache(t *testing.T) {
	h := newHarness(t)
	h.start(t.Context())
	assert.Equal(t, worker.Urgent, h.urgency(worker.Key{Namespace: "team", Name: "dev"}), "what is gone may have left a Pod")
	h.create(newSandbox())
	h.eventually("in the cache", func() bool {
		return h.urgency(worker.Key{Namespace: "team", Name: "dev"}) == worker.Normal
	})
}
