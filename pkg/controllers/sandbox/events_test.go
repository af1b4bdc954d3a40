// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestTransitions(t *testing.T) {
	ready := withCondition(v1beta1.ConditionReady, metav1.ConditionTrue, v1beta1.ReasonDependenciesReady)
	isSuspended := withCondition(v1beta1.ConditionSuspended, metav1.ConditionTrue, v1beta1.ReasonPodTerminated)
	notSuspended := withCondition(v1beta1.ConditionSuspended, metav1.ConditionFalse, v1beta1.ReasonNotSuspended)
	isUnknown := withCondition(v1beta1.ConditionSuspended, metav1.ConditionUnknown, v1beta1.ReasonPodStateUnknown)
	isExpired := withCondition(v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonSandboxExpired)
	conflicts := withCondition(v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonNameConflict)
	tests := map[string]struct {
		before, after *v1beta1.Sandbox
		want          []string
	}{
		"nothing":           {newSandbox(ready), newSandbox(ready), nil},
		"born":              {newSandbox(), newSandbox(notSuspended, ready), nil},
		"suspended":         {newSandbox(notSuspended), newSandbox(isSuspended), []string{"Normal Suspended"}},
		"still suspended":   {newSandbox(isSuspended), newSandbox(isSuspended), nil},
		"resumed":           {newSandbox(isSuspended), newSandbox(notSuspended), []string{"Normal Resumed"}},
		"unreadable":        {newSandbox(isSuspended), newSandbox(isUnknown), nil},
		"expired":           {newSandbox(ready), newSandbox(isExpired), []string{"Normal Expired"}},
		"still expired":     {newSandbox(isExpired), newSandbox(isExpired), nil},
		"in conflict":       {newSandbox(), newSandbox(conflicts), []string{"Warning NameConflict"}},
		"still in conflict": {newSandbox(conflicts), newSandbox(conflicts), nil},
		"succeeded":         {newSandbox(ready), newSandbox(withFinished(v1beta1.ReasonPodSucceeded)), []string{"Normal Finished"}},
		"failed":            {newSandbox(ready), newSandbox(withFinished(v1beta1.ReasonPodFailed)), []string{"Warning Finished"}},
		"still failed":      {newSandbox(withFinished(v1beta1.ReasonPodFailed)), newSandbox(withFinished(v1beta1.ReasonPodFailed)), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range transitions(test.before.Status.Conditions, test.after.Status.Conditions) {
				got = append(got, e.kind+" "+e.reason)
				assert.NotEmpty(t, e.action, "the Events API wants one")
				assert.NotEmpty(t, e.note)
			}
			assert.Equal(t, test.want, got)
		})
	}
}
