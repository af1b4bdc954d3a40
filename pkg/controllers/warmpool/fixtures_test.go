// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

var (
	now  = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	warm = worker.Key{Namespace: "team", Name: "warm"}
)

type (
	poolChange    = func(*v1beta1.SandboxWarmPool)
	sandboxChange = func(*v1beta1.Sandbox)
)

func newTemplate(image string) *v1beta1.SandboxTemplate {
	return &v1beta1.SandboxTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "python"},
		Spec: v1beta1.SandboxTemplateSpec{PodTemplate: v1beta1.PodTemplate{
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
		}},
	}
}

func newPool(replicas int32, changes ...poolChange) *v1beta1.SandboxWarmPool {
	pool := &v1beta1.SandboxWarmPool{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "warm", UID: "uid-pool", Generation: 2},
		Spec: v1beta1.SandboxWarmPoolSpec{
			Replicas:           &replicas,
			SandboxTemplateRef: v1beta1.SandboxTemplateReference{Name: "python"},
			UpdateStrategy:     v1beta1.SandboxWarmPoolUpdateStrategy{Type: v1beta1.OnReplenishStrategy},
		},
	}
	for _, f := range changes {
		f(pool)
	}
	return pool
}

func withStrategy(strategy v1beta1.SandboxWarmPoolUpdateStrategy) poolChange {
	return func(p *v1beta1.SandboxWarmPool) { p.Spec.UpdateStrategy = strategy }
}

func withPoolDeletion(p *v1beta1.SandboxWarmPool) {
	p.DeletionTimestamp, p.Finalizers = ptr.To(metav1.NewTime(now)), []string{metav1.FinalizerDeleteDependents}
}

var recreate = v1beta1.SandboxWarmPoolUpdateStrategy{Type: v1beta1.RecreateStrategy}

func rolling(maxUnavailable intstr.IntOrString) v1beta1.SandboxWarmPoolUpdateStrategy {
	return v1beta1.SandboxWarmPoolUpdateStrategy{
		Type:          v1beta1.RollingUpdateStrategy,
		RollingUpdate: &v1beta1.RollingUpdateSandboxWarmPool{MaxUnavailable: &maxUnavailable},
	}
}

// newMember is a member of newPool, made from newTemplate("v1") an hour ago, without
// a status. Higher numbers are younger.
func newMember(number int, changes ...sandboxChange) *v1beta1.Sandbox {
	sandbox := render.FromTemplate(newTemplate("v1"), newPool(0))
	sandbox.Name, sandbox.GenerateName = fmt.Sprintf("warm-%d", number), ""
	sandbox.UID = types.UID(fmt.Sprintf("uid-warm-%d", number))
	sandbox.Generation = 1
	sandbox.CreationTimestamp = metav1.NewTime(now.Add(-time.Hour).Add(time.Duration(number) * time.Second))
	sandbox.Finalizers = []string{v1beta1.SandboxFinalizer}
	for _, f := range changes {
		f(sandbox)
	}
	return sandbox
}

func setCondition(s *v1beta1.Sandbox, kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message,
		ObservedGeneration: s.Generation, LastTransitionTime: metav1.NewTime(s.CreationTimestamp.Add(time.Second)),
	})
}

func isUp(s *v1beta1.Sandbox) {
	setCondition(s, v1beta1.ConditionPodScheduled, metav1.ConditionTrue, "PodScheduled", "")
	setCondition(s, v1beta1.ConditionReady, metav1.ConditionTrue, v1beta1.ReasonDependenciesReady, "the Pod is Ready")
}

// isDown has a node and is not Ready.
func isDown(s *v1beta1.Sandbox) {
	setCondition(s, v1beta1.ConditionPodScheduled, metav1.ConditionTrue, "PodScheduled", "")
	setCondition(s, v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonDependenciesNotReady, `container "main": ImagePullBackOff`)
}

func isUnschedulable(s *v1beta1.Sandbox) {
	setCondition(s, v1beta1.ConditionPodScheduled, metav1.ConditionFalse, "Unschedulable", "no node")
	setCondition(s, v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonDependenciesNotReady, "the Pod cannot be scheduled: no node")
}

func isRefused(s *v1beta1.Sandbox) {
	setCondition(s, v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonReconcilerError, "creating Pod: exceeded quota")
}

func hasEnded(s *v1beta1.Sandbox) {
	setCondition(s, v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonPodSucceeded, "it exited with code 0")
	setCondition(s, v1beta1.ConditionFinished, metav1.ConditionTrue, v1beta1.ReasonPodSucceeded, "it exited with code 0")
}

func isOld(s *v1beta1.Sandbox) {
	s.Labels[v1beta1.TemplateHashLabel] = render.TemplateHash(newTemplate("v0"))
}

func isLagging(s *v1beta1.Sandbox) { s.Generation = 9 }

func isDeleted(s *v1beta1.Sandbox) { s.DeletionTimestamp = ptr.To(metav1.NewTime(now)) }

// isClaimed is what a claim does to a Sandbox.
func isClaimed(s *v1beta1.Sandbox) {
	s.Spec.ClaimRef = &v1beta1.SandboxClaimReference{Name: "mine", UID: "uid-mine"}
	s.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1beta1.SchemeGroupVersion.String(), Kind: "SandboxClaim", Name: "mine", UID: "uid-mine", Controller: ptr.To(true),
	}}
}

func isUnowned(s *v1beta1.Sandbox) { s.OwnerReferences = nil }

func aged(age time.Duration) sandboxChange {
	return func(s *v1beta1.Sandbox) { s.CreationTimestamp = metav1.NewTime(now.Add(-age)) }
}

// members are n members alike, the first of them with the number from.
func members(from, n int, changes ...sandboxChange) []*v1beta1.Sandbox {
	made := make([]*v1beta1.Sandbox, n)
	for i := range made {
		made[i] = newMember(from+i, changes...)
	}
	return made
}
