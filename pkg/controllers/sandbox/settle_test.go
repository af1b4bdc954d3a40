// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestStepsOfAFirstStartAreNotReported(t *testing.T) {
	created := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	starting, ready := v1beta1.ReasonDependenciesNotReady, v1beta1.ReasonDependenciesReady
	for name, c := range map[string]struct {
		before, after string
		age           time.Duration
		left          time.Duration
	}{
		"first step":              {"", starting, 500 * time.Millisecond, 1500 * time.Millisecond},
		"next step":               {starting, starting, time.Second, time.Second},
		"takes longer":            {"", starting, 2 * time.Second, 0},
		"is Ready":                {"", ready, 0, 0},
		"was Ready":               {ready, starting, 0, 0},
		"was suspended":           {v1beta1.ReasonSandboxSuspended, starting, 0, 0},
		"a foreign Pod":           {"", v1beta1.ReasonNameConflict, 0, 0},
		"could not make the Pod":  {"", v1beta1.ReasonReconcilerError, 0, 0},
		"ended before it started": {"", v1beta1.ReasonPodFailed, 0, 0},
	} {
		sandbox := &v1beta1.Sandbox{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(created)}}
		if c.before != "" {
			sandbox.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Reason: c.before}}
		}
		status := v1beta1.SandboxStatus{Conditions: []metav1.Condition{{Type: v1beta1.ConditionReady, Reason: c.after}}}
		left, put := settling(sandbox, status, created.Add(c.age))
		assert.Equal(t, c.left > 0, put, name)
		if put {
			assert.Equal(t, c.left, left, name)
		}
	}
}
