// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// shutdownAnnotation is on a Sandbox that was shut down because its claim expired.
// It has what the Sandbox's own shutdown was before, as JSON, and is written and
// removed together with it.
const shutdownAnnotation = v1beta1.KeyPrefix + "shutdown-before-claim-expired"

// shutdownNotice is how far in the future a Sandbox is told to shut down: validation
// takes no time that has passed when the write arrives.
const shutdownNotice = 2 * time.Second

// ownShutdown is what a Sandbox says of its own end.
type ownShutdown struct {
	Time   *metav1.Time                  `json:"time,omitempty"`
	Policy v1beta1.SandboxShutdownPolicy `json:"policy,omitempty"`
}

// shutDownOf is the end of a Sandbox whose claim has expired and is retained. A
// Sandbox that is over by itself is left as it is.
func shutDownOf(sandbox *v1beta1.Sandbox, now time.Time) action {
	if sandbox == nil || sandbox.DeletionTimestamp != nil || endsBy(sandbox.Spec.ShutdownTime, now.Add(shutdownNotice)) {
		return keep
	}
	return shutDown
}

// revival takes back a shutDown; a Sandbox that ended otherwise has its own reason.
func revival(sandbox *v1beta1.Sandbox) action {
	if sandbox == nil || sandbox.DeletionTimestamp != nil {
		return keep
	}
	if _, shut := sandbox.Annotations[shutdownAnnotation]; !shut {
		return keep
	}
	return revive
}

func endsBy(end *metav1.Time, by time.Time) bool {
	return end != nil && !end.After(by)
}

// shutdownPatch is a merge patch that ends the Sandbox now, keeps the object and its
// disks, and remembers what it said before.
func shutdownPatch(sandbox *v1beta1.Sandbox, now time.Time) (map[string]any, error) {
	annotations := map[string]any{}
	if _, shut := sandbox.Annotations[shutdownAnnotation]; !shut {
		before, err := json.Marshal(ownShutdown{Time: sandbox.Spec.ShutdownTime, Policy: sandbox.Spec.ShutdownPolicy})
		if err != nil {
			return nil, err
		}
		annotations[shutdownAnnotation] = string(before)
	}
	end := metav1.NewTime(now.Truncate(time.Second).Add(shutdownNotice))
	return map[string]any{
		"metadata": map[string]any{"annotations": annotations},
		"spec":     map[string]any{"shutdownTime": end, "shutdownPolicy": v1beta1.SandboxShutdownRetain},
	}, nil
}

// revivalPatch undoes shutdownPatch. What cannot be read any more is taken for a
// Sandbox without an end of its own. An end that has passed meanwhile is not
// restored: the Sandbox is over by its own time as well, and the time stays.
func revivalPatch(sandbox *v1beta1.Sandbox, now time.Time) map[string]any {
	var before ownShutdown
	if err := json.Unmarshal([]byte(sandbox.Annotations[shutdownAnnotation]), &before); err != nil || before.Policy == "" {
		before.Policy = v1beta1.SandboxShutdownRetain
	}
	spec := map[string]any{"shutdownPolicy": before.Policy}
	switch {
	case before.Time == nil:
		spec["shutdownTime"] = nil
	case !endsBy(before.Time, now.Add(shutdownNotice)):
		spec["shutdownTime"] = before.Time
	}
	return map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{shutdownAnnotation: nil}},
		"spec":     spec,
	}
}
