// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// settleTime is how old a Sandbox must be before the steps of its first start are
// reported. Most are Ready before, and are then written once instead of at each
// step. Creation times have whole seconds, so it is between one and two.
const settleTime = 2 * time.Second

// settling says how long a status need not be written yet: its only news is how
// far the first start of a new Sandbox has come. What is wrong with it, and that
// it is Ready, is never put off.
func settling(sandbox *v1beta1.Sandbox, status v1beta1.SandboxStatus, now time.Time) (time.Duration, bool) {
	left := sandbox.CreationTimestamp.Add(settleTime).Sub(now)
	before, after := meta.FindStatusCondition(sandbox.Status.Conditions, v1beta1.ConditionReady), meta.FindStatusCondition(status.Conditions, v1beta1.ConditionReady)
	starting := after != nil && after.Reason == v1beta1.ReasonDependenciesNotReady &&
		(before == nil || before.Reason == v1beta1.ReasonDependenciesNotReady)
	return left, starting && left > 0 && sandbox.DeletionTimestamp == nil
}
