// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

func TestEndings(t *testing.T) {
	onFailure := func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyOnFailure }
	always := func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyAlways }
	disrupted := podCond(corev1.DisruptionTarget, corev1.ConditionTrue, "TerminationByKubelet", "node is shutting down")
	containerNever := func(p *corev1.Pod) {
		p.Spec.Containers[0].RestartPolicy = ptr.To(corev1.ContainerRestartPolicyNever)
	}
	ended := inPhase(corev1.PodFailed)
	tests := map[string]struct {
		pod  *corev1.Pod
		want ending
	}{
		"pending":                         {newPod(), alive},
		"running":                         {newPod(up), alive},
		"unknown, as on a lost node":      {newPod(inPhase(corev1.PodUnknown)), alive},
		"succeeded, Never":                {newPod(never, inPhase(corev1.PodSucceeded), exited(0)), succeeded},
		"succeeded, OnFailure":            {newPod(onFailure, inPhase(corev1.PodSucceeded), exited(0)), succeeded},
		"failed, Never":                   {newPod(never, ended, exited(3)), failed},
		"failed, out of memory":           {newPod(never, ended, exitedAs(corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"})), failed},
		"failed, own policy of container": {newPod(always, containerNever, ended, exited(3)), failed},
		"deadline, Never":                 {newPod(never, ended, because("DeadlineExceeded"), exited(137)), failed},
		"deadline, Always":                {newPod(always, ended, because("DeadlineExceeded"), exited(137)), failed},
		"deadline before it ran":          {newPod(ended, because("DeadlineExceeded")), failed},

		"evicted":                      {newPod(never, ended, because("Evicted"), exited(137)), lost},
		"evicted before it ran":        {newPod(never, ended, because("Evicted")), lost},
		"preempted for a critical Pod": {newPod(never, ended, because("Preempting"), exited(137)), lost},
		"ended well when evicted":      {newPod(always, inPhase(corev1.PodSucceeded), exited(0)), lost},
		"ended well when disrupted":    {newPod(never, inPhase(corev1.PodSucceeded), exited(0), disrupted), lost},
		"node shut down":               {newPod(never, ended, because("Terminated"), exited(143)), lost},
		"the condition says so":        {newPod(never, ended, exited(137), disrupted), lost},
		"the condition says no":        {newPod(never, ended, exited(1), podCond(corev1.DisruptionTarget, corev1.ConditionFalse, "", "")), failed},
		"refused: OutOfcpu":            {newPod(never, ended, because("OutOfcpu")), lost},
		"refused: NodeAffinity":        {newPod(ended, because("NodeAffinity")), lost},
		"refused by a device plugin":   {newPod(never, ended, because("UnexpectedAdmissionError")), lost},
		"refused after it had run": {newPod(never, ended, exited(1), func(p *corev1.Pod) {
			p.Status.Reason, p.Status.Message = "UnexpectedAdmissionError", "Pod was rejected: no device"
		}), lost},
		"failed without a word":   {newPod(ended), lost},
		"failed, Always":          {newPod(always, ended, exited(1)), lost},
		"failed, default policy":  {newPod(ended, exited(1)), lost},
		"lost track of, Never":    {newPod(never, ended, exitedAs(corev1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown"})), lost},
		"one lost, one failed":    {newPod(never, ended, exited(1), exitedAs(corev1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown"})), failed},
		"one lost, one succeeded": {newPod(never, ended, exited(0), exitedAs(corev1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown"})), lost},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, endingOf(test.pod))
		})
	}
}
