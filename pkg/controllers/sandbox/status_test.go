// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// observe makes the status of a Sandbox whose sync went as planned.
func observe(sandbox *v1beta1.Sandbox, seen observed) v1beta1.SandboxStatus {
	return statusOf(outcome{sandbox: sandbox, seen: seen, plan: decide(sandbox, seen, now), clusterDomain: "cluster.local"}, now)
}

// conditions are "Status/Reason" by type.
func conditions(status v1beta1.SandboxStatus) map[string]string {
	got := map[string]string{}
	for _, c := range status.Conditions {
		got[c.Type] = string(c.Status) + "/" + c.Reason
	}
	return got
}

// TestTableOfConditions is the table of docs/api.md, row by row.
func TestTableOfConditions(t *testing.T) {
	type row = map[string]string
	succeededPod := newPod(never, inPhase(corev1.PodSucceeded), exited(0))
	failedPod := newPod(never, inPhase(corev1.PodFailed), exited(3))
	notYetUp := row{"Suspended": "False/NotSuspended", "Ready": "False/DependenciesNotReady"}
	conflicting := row{"Suspended": "False/PodNotOwned", "Ready": "False/NameConflict"}
	tests := map[string]struct {
		sandbox *v1beta1.Sandbox
		seen    observed
		want    row
	}{
		"Pod not yet made":     {newSandbox(), see(), notYetUp},
		"Pod not yet up":       {newSandbox(), see(newPod()), notYetUp},
		"Pod being replaced":   {newSandbox(), see(newPod(terminating)), notYetUp},
		"Pod lost":             {newSandbox(), see(newPod(inPhase(corev1.PodFailed), because("Evicted"))), notYetUp},
		"up":                   {newSandbox(), see(newPod(up)), row{"Suspended": "False/NotSuspended", "Ready": "True/DependenciesReady", "PodScheduled": "True/PodScheduled"}},
		"suspending":           {newSandbox(withSuspend), see(newPod(terminating)), row{"Suspended": "False/PodTerminating", "Ready": "False/SandboxSuspended"}},
		"suspended":            {newSandbox(withSuspend), see(), row{"Suspended": "True/PodTerminated", "Ready": "False/SandboxSuspended"}},
		"Pod ended well":       {newSandbox(), see(succeededPod), row{"Ready": "False/PodSucceeded", "Finished": "True/PodSucceeded"}},
		"Pod ended badly":      {newSandbox(), see(failedPod), row{"Ready": "False/PodFailed", "Finished": "True/PodFailed"}},
		"expired":              {newSandbox(withShutdown(0)), see(), row{"Ready": "False/SandboxExpired"}},
		"foreign Pod":          {newSandbox(), see(newPod(stranger)), conflicting},
		"foreign disk":         {newSandbox(withDisks("data")), see(newDisk("data", strangeDisk)), conflicting},
		"foreign Service":      {newSandbox(withService), see(ownService(strangeService)), conflicting},
		"foreign shared one":   {newSandbox(), see(sharedService(strangeService)), conflicting},
		"suspended, foreigner": {newSandbox(withSuspend), see(newPod(stranger)), conflicting},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status := observe(test.sandbox, test.seen)
			assert.Equal(t, test.want, conditions(status))
			assert.Empty(t, metav1validation.ValidateConditions(status.Conditions, field.NewPath("conditions")), "the server would refuse it")
			for _, c := range status.Conditions {
				assert.Equal(t, int64(3), c.ObservedGeneration, c.Type)
				assert.Equal(t, now, c.LastTransitionTime.Time, c.Type)
			}
		})
	}
}

// A condition never lingers after its cause is gone.
func TestConditionsFollow(t *testing.T) {
	wasReady := withCondition(v1beta1.ConditionReady, metav1.ConditionTrue, v1beta1.ReasonDependenciesReady)
	wasSuspended := withCondition(v1beta1.ConditionSuspended, metav1.ConditionTrue, v1beta1.ReasonPodTerminated)
	wasScheduled := withCondition(v1beta1.ConditionPodScheduled, metav1.ConditionTrue, "Scheduled")
	tests := map[string]struct {
		sandbox *v1beta1.Sandbox
		seen    observed
		want    map[string]string
	}{
		"Ready goes with a drain":       {newSandbox(wasReady), see(newPod(up, terminating)), map[string]string{"Ready": "False/DependenciesNotReady", "Suspended": "False/NotSuspended", "PodScheduled": "True/PodScheduled"}},
		"Ready goes with an eviction":   {newSandbox(wasReady), see(newPod(up, inPhase(corev1.PodFailed), because("Evicted"))), map[string]string{"Ready": "False/DependenciesNotReady", "Suspended": "False/NotSuspended", "PodScheduled": "True/PodScheduled"}},
		"Ready goes with the node":      {newSandbox(wasReady), see(newPod(up), noNode), map[string]string{"Ready": "False/DependenciesNotReady", "Suspended": "False/NotSuspended", "PodScheduled": "True/PodScheduled"}},
		"Ready goes with its readiness": {newSandbox(wasReady), see(newPod(up), newNode(corev1.ConditionUnknown)), map[string]string{"Ready": "False/DependenciesNotReady", "Suspended": "False/NotSuspended", "PodScheduled": "True/PodScheduled"}},
		"Suspended goes with a resume":  {newSandbox(wasSuspended), see(), map[string]string{"Ready": "False/DependenciesNotReady", "Suspended": "False/NotSuspended"}},
		"PodScheduled goes with the Pod": {newSandbox(wasScheduled, withSuspend), see(),
			map[string]string{"Ready": "False/SandboxSuspended", "Suspended": "True/PodTerminated"}},
		"expiry leaves neither":        {newSandbox(wasSuspended, wasScheduled, withSuspend, withShutdown(0)), see(), map[string]string{"Ready": "False/SandboxExpired"}},
		"expiry does not undo the end": {newSandbox(withFinished(v1beta1.ReasonPodFailed), withShutdown(0)), see(), map[string]string{"Ready": "False/SandboxExpired", "Finished": "True/PodFailed"}},
		"Finished outlives the Pod":    {newSandbox(withFinished(v1beta1.ReasonPodFailed)), see(), map[string]string{"Ready": "False/PodFailed", "Finished": "True/PodFailed"}},
		"deleted: as suspended as before": {newSandbox(wasSuspended, withSuspend, withDeletion), see(),
			map[string]string{"Ready": "False/DependenciesNotReady", "Suspended": "True/PodTerminated"}},
		"deleted before anything": {newSandbox(withDeletion), see(), map[string]string{"Ready": "False/DependenciesNotReady"}},
		"a foreign Pod's PodScheduled is not ours": {newSandbox(), see(newPod(up, stranger)),
			map[string]string{"Ready": "False/NameConflict", "Suspended": "False/PodNotOwned"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, conditions(observe(test.sandbox, test.seen)))
		})
	}
}

func TestErrors(t *testing.T) {
	refused := errors.New(`creating Pod "dev": exceeded quota`)
	tests := map[string]struct {
		sandbox *v1beta1.Sandbox
		seen    observed
		want    map[string]string
	}{
		"the Pod cannot be made":   {newSandbox(), see(), map[string]string{"Ready": "False/ReconcilerError", "Suspended": "False/NotSuspended"}},
		"the Pod cannot be ended":  {newSandbox(withSuspend), see(newPod()), map[string]string{"Ready": "False/ReconcilerError", "Suspended": "False/PodTerminating"}},
		"it serves all the same":   {newSandbox(), see(newPod(up)), map[string]string{"Ready": "True/DependenciesReady", "Suspended": "False/NotSuspended", "PodScheduled": "True/PodScheduled"}},
		"it is finished, for good": {newSandbox(withFinished(v1beta1.ReasonPodFailed)), see(), map[string]string{"Ready": "False/PodFailed", "Finished": "True/PodFailed"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status := statusOf(outcome{sandbox: test.sandbox, seen: test.seen, plan: decide(test.sandbox, test.seen, now), err: refused}, now)
			assert.Equal(t, test.want, conditions(status))
			ready := meta.FindStatusCondition(status.Conditions, v1beta1.ConditionReady)
			assert.Equal(t, ready.Reason == v1beta1.ReasonReconcilerError, ready.Message == refused.Error())
		})
	}
}

func TestPodThatCouldNotBeRead(t *testing.T) {
	sandbox := newSandbox(withCondition(v1beta1.ConditionPodScheduled, metav1.ConditionTrue, "Scheduled"))
	sandbox.Status.PodIPs, sandbox.Status.PodName, sandbox.Status.NodeName = []string{"10.0.0.9"}, "dev", "node-1"

	status := statusOf(outcome{sandbox: sandbox, plan: plan{state: unknown}, err: errors.New("reading Pod: no")}, now)

	assert.Equal(t, map[string]string{
		"Suspended": "Unknown/PodStateUnknown", "Ready": "False/ReconcilerError", "PodScheduled": "True/Scheduled",
	}, conditions(status))
	assert.Equal(t, []string{"10.0.0.9"}, status.PodIPs, "what is not known to be gone stays")
	assert.Equal(t, "dev", status.PodName)
	assert.Equal(t, "node-1", status.NodeName)
}

func TestStatusFields(t *testing.T) {
	status := observe(newSandbox(), see(newPod(up)))
	status.Conditions = nil
	assert.Equal(t, v1beta1.SandboxStatus{
		ServiceFQDN: "dev.sandboxes.team.svc.cluster.local", Service: "sandboxes",
		Selector: "sandbox.agents.x-k8s.io/sandbox-name=dev",
		PodIPs:   []string{"10.0.0.9", "fd00::9"}, NodeName: "node-1", PodName: "dev",
	}, status)

	t.Run("of an own Service", func(t *testing.T) {
		status := observe(newSandbox(withService), see())
		assert.Equal(t, "dev.team.svc.cluster.local", status.ServiceFQDN)
		assert.Equal(t, "dev", status.Service)
	})
	for name, seen := range map[string]observed{"without Pod": see(), "with a foreign Pod": see(newPod(up, stranger))} {
		t.Run(name, func(t *testing.T) {
			sandbox := newSandbox()
			sandbox.Status.PodIPs, sandbox.Status.PodName, sandbox.Status.NodeName = []string{"10.0.0.9"}, "dev", "node-1"
			status := observe(sandbox, seen)
			assert.Empty(t, status.PodIPs)
			assert.Empty(t, status.PodName)
			assert.Empty(t, status.NodeName)
			assert.Equal(t, "dev.sandboxes.team.svc.cluster.local", status.ServiceFQDN, "the name is stable")
		})
	}
	t.Run("of an old cluster", func(t *testing.T) {
		pod := newPod(up, func(p *corev1.Pod) { p.Status.PodIPs, p.Status.PodIP = nil, "10.0.0.9" })
		assert.Equal(t, []string{"10.0.0.9"}, observe(newSandbox(), see(pod)).PodIPs)
	})
}

func TestTransitionTimeChangesWithTheStatusOnly(t *testing.T) {
	sandbox := newSandbox(
		withCondition(v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonSandboxSuspended),
		withCondition(v1beta1.ConditionSuspended, metav1.ConditionTrue, v1beta1.ReasonPodTerminated))

	status := observe(sandbox, see())

	ready := meta.FindStatusCondition(status.Conditions, v1beta1.ConditionReady)
	assert.Equal(t, v1beta1.ReasonDependenciesNotReady, ready.Reason)
	assert.Equal(t, now.Add(-time.Hour), ready.LastTransitionTime.Time, "False before and after")
	assert.Equal(t, now, meta.FindStatusCondition(status.Conditions, v1beta1.ConditionSuspended).LastTransitionTime.Time)
}

// Or every sync would write.
func TestStatusSettles(t *testing.T) {
	for name, seen := range map[string]observed{
		"up": see(newPod(up)), "pending": see(newPod()), "finished": see(newPod(never, inPhase(corev1.PodSucceeded), exited(0))),
		"pending disks": see(newPod(unscheduled), newDisk("a", pendingDisk), newDisk("b", pendingDisk), newDisk("c", pendingDisk)),
	} {
		t.Run(name, func(t *testing.T) {
			sandbox := newSandbox(withDisks("a", "b", "c"))
			first := observe(sandbox, seen)
			sandbox.Status = *first.DeepCopy()
			for range 10 {
				later := statusOf(outcome{sandbox: sandbox, seen: seen, plan: decide(sandbox, seen, now.Add(time.Hour)), clusterDomain: "cluster.local"}, now.Add(time.Hour))
				require.Equal(t, first, later)
			}
		})
	}
}

func TestStatusLeavesTheSandboxAlone(t *testing.T) {
	sandbox := newSandbox(withDeletion, withCondition(v1beta1.ConditionSuspended, metav1.ConditionTrue, v1beta1.ReasonPodTerminated))
	before := sandbox.DeepCopy()
	observe(sandbox, see(newPod(up)))
	assert.Equal(t, before, sandbox, "it may belong to the cache")
}
