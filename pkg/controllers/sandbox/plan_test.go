// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

type planTest struct {
	sandbox *v1beta1.Sandbox
	seen    observed
	want    plan
}

// checkPlans compares all but the texts, which are tested as conditions.
func checkPlans(t *testing.T, tests map[string]planTest) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := decide(test.sandbox, test.seen, now)
			if test.want.detail == "" {
				got.detail = ""
			} else {
				assert.Contains(t, got.detail, test.want.detail)
				got.detail = test.want.detail
			}
			if got.pod != remove && got.pod != kill {
				got.why = ""
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestDecideSuspended(t *testing.T) {
	checkPlans(t, map[string]planTest{
		"the Pod goes": {
			newSandbox(withSuspend), see(newPod(up)),
			plan{state: suspending, pod: remove, why: whySuspended},
		},
		"the Pod is going": {
			newSandbox(withSuspend), see(newPod(up, terminating)),
			plan{state: suspending},
		},
		"the Pod hangs on a node that is not ready": {
			newSandbox(withSuspend), see(newPod(up, terminating), newNode(corev1.ConditionUnknown)),
			plan{state: suspending},
		},
		"the Pod hangs on a node that is gone": {
			newSandbox(withSuspend), see(newPod(up, terminating), noNode),
			plan{state: suspending, pod: kill, why: whySuspended},
		},
		"the Pod has gone; Services and disks stay": {
			newSandbox(withSuspend, withService, withDisks("data")), see(ownService(), newDisk("data")),
			plan{state: suspended},
		},
		"a Sandbox born suspended has Services but no disks yet": {
			newSandbox(withSuspend, withService, withDisks("data")), see(noShared),
			plan{state: suspended, shared: create, own: create},
		},
		// Finished must not flash while suspending: containers end because the Pod is deleted.
		"containers that end meanwhile finish nothing": {
			newSandbox(withSuspend), see(newPod(never, terminating, inPhase(corev1.PodSucceeded), exited(0))),
			plan{state: suspending},
		},
		"a Pod that ended before anybody noticed is suspended too": {
			newSandbox(withSuspend), see(newPod(never, inPhase(corev1.PodSucceeded), exited(0))),
			plan{state: suspending, pod: remove, why: whySuspended},
		},
		"a foreign Pod is left alone": {
			newSandbox(withSuspend), see(newPod(stranger)),
			plan{state: conflict, detail: `Pod "dev" exists`, requeueAfter: conflictRetry},
		},
		"a foreign Service is no matter while there is no Pod": {
			newSandbox(withSuspend), see(sharedService(strangeService)),
			plan{state: suspended},
		},
		"expiry is waited for": {
			newSandbox(withSuspend, withShutdown(time.Hour)), see(),
			plan{state: suspended, requeueAfter: time.Hour},
		},
	})
}

func TestDecideFinished(t *testing.T) {
	succeededPod := newPod(never, inPhase(corev1.PodSucceeded), exited(0))
	checkPlans(t, map[string]planTest{
		"the Pod stays for its logs": {
			newSandbox(withFinished(v1beta1.ReasonPodSucceeded)), see(succeededPod),
			plan{state: finished, ending: succeeded},
		},
		"even when its node has gone": {
			newSandbox(withFinished(v1beta1.ReasonPodSucceeded)), see(succeededPod, noNode),
			plan{state: finished, ending: succeeded},
		},
		"no new Pod after somebody deleted it": {
			newSandbox(withFinished(v1beta1.ReasonPodFailed), withDisks("data")), see(),
			plan{state: finished, ending: failed},
		},
		"suspending it changes nothing": {
			newSandbox(withFinished(v1beta1.ReasonPodFailed), withSuspend), see(),
			plan{state: finished, ending: failed},
		},
		"a Pod that runs all the same is one too many": {
			newSandbox(withFinished(v1beta1.ReasonPodFailed)), see(newPod(up)),
			plan{state: finished, ending: failed, pod: remove, why: whyFinished},
		},
		"a foreign Pod is left alone": {
			newSandbox(withFinished(v1beta1.ReasonPodFailed)), see(newPod(stranger, up)),
			plan{state: finished, ending: failed},
		},
		"the anchor is kept up": {
			newSandbox(withFinished(v1beta1.ReasonPodSucceeded)), see(succeededPod, sharedService(func(s *corev1.Service) { s.UID = "uid-new" })),
			plan{state: finished, ending: succeeded, pod: repair},
		},
	})
}

func TestDecideExpired(t *testing.T) {
	checkPlans(t, map[string]planTest{
		"Pod and own Service go, disks and the shared Service stay": {
			newSandbox(withShutdown(0), withService, withDisks("data")), see(newPod(up), ownService(), newDisk("data")),
			plan{state: expired, pod: remove, why: whyExpired, own: remove},
		},
		"nothing is left to do": {
			newSandbox(withShutdown(-time.Hour), withService), see(),
			plan{state: expired},
		},
		"nothing is made any more": {
			newSandbox(withShutdown(-time.Hour), withService, withDisks("data")), see(noShared),
			plan{state: expired},
		},
		"a suspended Sandbox expires too": {
			newSandbox(withShutdown(-time.Hour), withSuspend, withService), see(ownService()),
			plan{state: expired, own: remove},
		},
		"foreign objects are left alone": {
			newSandbox(withShutdown(-time.Hour), withService), see(newPod(stranger), ownService(strangeService)),
			plan{state: expired},
		},
		"the policy Delete deletes the Sandbox, whose deletion does the rest": {
			newSandbox(withShutdown(-time.Hour), withDeletePolicy), see(newPod(up)),
			plan{state: expired, sandbox: remove},
		},
		"a time in the future is waited for": {
			newSandbox(withShutdown(time.Minute)), see(newPod(up)),
			plan{state: running, requeueAfter: time.Minute},
		},
		"a later time revives it": {
			newSandbox(withShutdown(time.Minute), withCondition(v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonSandboxExpired)), see(),
			plan{state: running, pod: create, requeueAfter: time.Minute},
		},
		"but not one that had finished": {
			newSandbox(withShutdown(time.Minute), withFinished(v1beta1.ReasonPodSucceeded)), see(),
			plan{state: finished, ending: succeeded, requeueAfter: time.Minute},
		},
	})
}

func TestDecideDeleted(t *testing.T) {
	disk := func(what action) []diskAction { return []diskAction{{0, what}} }
	orphan := withFinalizers(v1beta1.SandboxFinalizer, metav1.FinalizerOrphanDependents)
	checkPlans(t, map[string]planTest{
		"Pod and own Service go first": {
			newSandbox(withDeletion, withService, withDisks("data")), see(newPod(up), ownService(), newDisk("data")),
			plan{state: deleting, pod: remove, why: whyDeleted, own: remove},
		},
		"the Pod is waited for": {
			newSandbox(withDeletion, withDisks("data")), see(newPod(terminating), newDisk("data")),
			plan{state: deleting},
		},
		"but not on a node that is gone": {
			newSandbox(withDeletion), see(newPod(terminating), noNode),
			plan{state: deleting, pod: kill, why: whyDeleted},
		},
		"a Pod that was killed already is waited for": {
			newSandbox(withDeletion), see(newPod(terminating, func(p *corev1.Pod) { p.DeletionGracePeriodSeconds = ptr.To[int64](0) }), noNode),
			plan{state: deleting},
		},
		"then disks and the finalizer": {
			newSandbox(withDeletion, withDisks("data")), see(newDisk("data")),
			plan{state: deleting, disks: disk(remove), sandbox: release},
		},
		"the policy Retain keeps the disks": {
			newSandbox(withDeletion, withRetain, withDisks("data")), see(newDisk("data")),
			plan{state: deleting, disks: disk(retain), sandbox: release},
		},
		"disks of others are left alone": {
			newSandbox(withDeletion, withDisks("a", "b", "c", "d")),
			see(newDisk("a", strangeDisk), newDisk("b", diskOf("uid-other")), newDisk("c", diskOf(v1beta1.RetainedUID)), newDisk("d", terminatingDisk)),
			plan{state: deleting, sandbox: release},
		},
		"Pods and Services of others are left alone": {
			newSandbox(withDeletion, withService), see(newPod(stranger, up), ownService(strangeService), sharedService(strangeService)),
			plan{state: deleting, sandbox: release},
		},
		"a suspended or expired Sandbox is deleted like any": {
			newSandbox(withDeletion, withSuspend, withShutdown(-time.Hour), withDeletePolicy), see(),
			plan{state: deleting, sandbox: release},
		},
		"a finished one as well": {
			newSandbox(withDeletion, withFinished(v1beta1.ReasonPodFailed)), see(newPod(never, inPhase(corev1.PodFailed), exited(1))),
			plan{state: deleting, pod: remove, why: whyDeleted},
		},
		"foreground deletion is no different": {
			newSandbox(withDeletion, withFinalizers(v1beta1.SandboxFinalizer, metav1.FinalizerDeleteDependents)), see(newPod(up)),
			plan{state: deleting, pod: remove, why: whyDeleted},
		},
		"orphaning: all is the user's at once": {
			newSandbox(withDeletion, orphan, withService, withDisks("data")), see(newPod(up), ownService(), newDisk("data")),
			plan{state: deleting, pod: retain, own: retain, disks: disk(retain), sandbox: release},
		},
		"orphaned while suspended: nothing but the mark tells that the disks stay": {
			newSandbox(withDeletion, withOrphaned, withSuspend, withDisks("data")), see(newDisk("data")),
			plan{state: deleting, disks: disk(retain), sandbox: release},
		},
		"orphaned, though the collector had not seen the Pod": {
			newSandbox(withDeletion, withOrphaned, withService, withDisks("data")), see(newPod(up), ownService(), newDisk("data")),
			plan{state: deleting, pod: retain, own: retain, disks: disk(retain), sandbox: release},
		},
		"orphaned, on a node that is gone": {
			newSandbox(withDeletion, withOrphaned), see(newPod(terminating), noNode),
			plan{state: deleting, pod: retain, sandbox: release},
		},
		"orphaned: what belongs to others is left alone": {
			newSandbox(withDeletion, withOrphaned, withService, withDisks("a", "b")),
			see(newPod(stranger), ownService(strangeService), newDisk("a", strangeDisk), newDisk("b", diskOf(v1beta1.RetainedUID))),
			plan{state: deleting, sandbox: release},
		},
		"what waits for others has been cleared up": {
			newSandbox(withDeletion, withFinalizers("example.com/other"), withDisks("data")), see(newPod(up), newDisk("data")),
			plan{state: deleting},
		},
	})
}

func TestWhatWantsALiveLook(t *testing.T) {
	suspendedBefore := newSandbox(withCondition(v1beta1.ConditionSuspended, metav1.ConditionTrue, v1beta1.ReasonPodTerminated))
	tests := map[string]struct {
		plan    plan
		sandbox *v1beta1.Sandbox
		want    bool
	}{
		"nothing to do":                     {plan{state: running}, newSandbox(), false},
		"making a Pod: the name guards it":  {plan{state: running, pod: create}, newSandbox(), false},
		"deleting a Pod: the UID guards it": {plan{state: suspending, pod: remove, why: whySuspended}, newSandbox(), false},
		"killing a Pod":                     {plan{state: running, pod: kill}, newSandbox(), true},
		"deleting a stray Pod":              {plan{state: finished, pod: remove, why: whyFinished}, newSandbox(), true},
		"removing the finalizer":            {plan{state: deleting, sandbox: release}, newSandbox(), true},
		"saying suspended":                  {plan{state: suspended}, newSandbox(), true},
		"saying so again":                   {plan{state: suspended}, suspendedBefore, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, test.plan.wantsLive(test.sandbox))
		})
	}
}
