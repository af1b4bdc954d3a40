// SPDX-License-Identifier: Apache-2.0

package template

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestStatus(t *testing.T) {
	refused := apierrors.NewForbidden(schema.GroupResource{Resource: "networkpolicies"}, "x", errors.New("exceeded quota"))
	tests := map[string]struct {
		plan            plan
		err             error
		status          metav1.ConditionStatus
		reason, message string
	}{
		"in place":   {plan{state: inPlace}, nil, metav1.ConditionTrue, "NetworkPolicyInPlace", `NetworkPolicy "sandbox-template-python" is in place`},
		"unmanaged":  {plan{state: unmanaged}, nil, metav1.ConditionTrue, "NetworkPolicyUnmanaged", "network policies for the Pods of this template are left to the user"},
		"conflict":   {plan{state: conflict, detail: "it exists"}, nil, metav1.ConditionFalse, v1beta1.ReasonNameConflict, "it exists"},
		"waiting":    {plan{state: waiting, detail: "it is going"}, nil, metav1.ConditionFalse, v1beta1.ReasonDependenciesNotReady, "it is going"},
		"refused":    {plan{state: inPlace, policy: create}, fmt.Errorf("creating: %w", refused), metav1.ConditionFalse, v1beta1.ReasonReconcilerError, "creating: " + refused.Error()},
		"no answer":  {plan{state: inPlace, policy: repair}, errors.New("read tcp 10.0.0.1:34567"), metav1.ConditionFalse, v1beta1.ReasonReconcilerError, "the cluster does not answer"},
		"unreadable": {plan{state: unknown}, refused, metav1.ConditionFalse, v1beta1.ReasonReconcilerError, refused.Error()},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			template := newTemplate(withReason(metav1.ConditionUnknown, "Before"))
			before := template.DeepCopy()

			status := statusOf(template, test.plan, test.err, now)

			assert.Equal(t, before, template, "it may belong to the cache")
			require.Len(t, status.Conditions, 1)
			assert.Empty(t, metav1validation.ValidateConditions(status.Conditions, nil))
			assert.Equal(t, metav1.Condition{
				Type: "NetworkPolicyReady", Status: test.status, Reason: test.reason, Message: test.message,
				ObservedGeneration: 3, LastTransitionTime: metav1.NewTime(now),
			}, status.Conditions[0])

			template.Status = status
			assert.Equal(t, status, statusOf(template, test.plan, test.err, now.Add(time.Hour)), "the same state, the same status")
		})
	}
}
