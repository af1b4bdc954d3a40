// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

var (
	now     = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	deleted = ptr.To(metav1.NewTime(now.Add(-time.Second)))
)

type (
	change        = func(*v1beta1.SandboxClaim)
	sandboxChange = func(*v1beta1.Sandbox)
)

// newClaim is a claim as the hot path stores one that drew newSandbox: Bound and Ready.
func newClaim(changes ...change) *v1beta1.SandboxClaim {
	claim := &v1beta1.SandboxClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: "mine", UID: "uid-mine", ResourceVersion: "20", Generation: 1,
			CreationTimestamp: at(-time.Minute),
		},
		Spec: v1beta1.SandboxClaimSpec{
			WarmPoolRef: v1beta1.SandboxWarmPoolReference{Name: "python"},
			OnEmptyPool: v1beta1.OnEmptyPoolColdStart,
		},
		Status: v1beta1.SandboxClaimStatus{
			Conditions: []metav1.Condition{
				stored(v1beta1.ConditionBound, metav1.ConditionTrue, v1beta1.ReasonSandboxBound, ""),
				stored(v1beta1.ConditionReady, metav1.ConditionTrue, v1beta1.ReasonDependenciesReady, "the Pod is Ready and has an address"),
			},
			Sandbox: &v1beta1.ClaimedSandbox{
				Name: "python-abc", PodIPs: []string{"10.0.0.9", "fd00::9"}, NodeName: "node-1",
				ServiceFQDN: "python-abc.sandboxes.team.svc.cluster.local", LaunchType: v1beta1.LaunchWarm,
			},
		},
	}
	for _, f := range changes {
		f(claim)
	}
	return claim
}

// cold is the claim as it is stored together with a Sandbox made for it.
func cold(c *v1beta1.SandboxClaim) {
	c.Status.Sandbox.LaunchType, c.Status.Sandbox.PodIPs, c.Status.Sandbox.NodeName = v1beta1.LaunchCold, nil, ""
	c.Status.Conditions[1] = stored(v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonSandboxStarting, "the Sandbox is starting")
}

// inQueue is the claim as it is stored when nothing is available.
func inQueue(c *v1beta1.SandboxClaim) {
	const message = "no Sandbox of pool python is available yet"
	c.Spec.OnEmptyPool = v1beta1.OnEmptyPoolWait
	c.Status.Sandbox = nil
	c.Status.Conditions = []metav1.Condition{
		stored(v1beta1.ConditionBound, metav1.ConditionFalse, v1beta1.ReasonWaitingForSandbox, message),
		stored(v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonWaitingForSandbox, message),
	}
}

// wiped has lost its status, as after a careless PUT to the subresource.
func wiped(c *v1beta1.SandboxClaim) { c.Status = v1beta1.SandboxClaimStatus{} }

func named(name string) change {
	return func(c *v1beta1.SandboxClaim) { c.Name, c.UID = name, types.UID("uid-"+name) }
}

func createdAt(before time.Duration) change {
	return func(c *v1beta1.SandboxClaim) { c.CreationTimestamp = at(-before) }
}

func withUID(uid types.UID) change { return func(c *v1beta1.SandboxClaim) { c.UID = uid } }

func deletedWith(finalizer string) change {
	return func(c *v1beta1.SandboxClaim) { c.DeletionTimestamp, c.Finalizers = deleted, []string{finalizer} }
}

// ending sets the lifetime; a negative one is over.
func ending(in time.Duration, policy v1beta1.SandboxClaimShutdownPolicy) change {
	return func(c *v1beta1.SandboxClaim) {
		c.Spec.Lifecycle = &v1beta1.SandboxClaimLifecycle{ShutdownTime: ptr.To(at(in)), ShutdownPolicy: policy}
	}
}

func withTTL(seconds int32, policy v1beta1.SandboxClaimShutdownPolicy) change {
	return func(c *v1beta1.SandboxClaim) {
		c.Spec.Lifecycle = &v1beta1.SandboxClaimLifecycle{TTLSecondsAfterFinished: &seconds, ShutdownPolicy: policy}
	}
}

func expired(c *v1beta1.SandboxClaim) {
	meta.SetStatusCondition(&c.Status.Conditions, stored(v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonClaimExpired, expiredMessage))
}

// claimFinished reports what finishedAgo(time.Hour) said.
func claimFinished(c *v1beta1.SandboxClaim) {
	c.Status.Conditions = append(c.Status.Conditions, endedAgo(time.Hour, v1beta1.ReasonPodSucceeded))
}

// newSandbox is the Sandbox of newClaim, Ready.
func newSandbox(changes ...sandboxChange) *v1beta1.Sandbox {
	sandbox := &v1beta1.Sandbox{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: "python-abc", UID: "uid-abc", ResourceVersion: "20", Generation: 2,
			CreationTimestamp: at(-time.Hour),
			Labels:            map[string]string{v1beta1.ClaimLabel: "mine"},
			Finalizers:        []string{v1beta1.SandboxFinalizer},
		},
		Spec: v1beta1.SandboxSpec{
			OperatingMode:  v1beta1.SandboxRunning,
			ShutdownPolicy: v1beta1.SandboxShutdownRetain,
			ClaimRef:       &v1beta1.SandboxClaimReference{Name: "mine", UID: "uid-mine"},
		},
		Status: v1beta1.SandboxStatus{
			PodIPs: []string{"10.0.0.9", "fd00::9"}, NodeName: "node-1",
			ServiceFQDN: "python-abc.sandboxes.team.svc.cluster.local",
			Conditions: []metav1.Condition{{
				Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1beta1.ReasonDependenciesReady,
				Message: "the Pod is Ready and has an address", ObservedGeneration: 2, LastTransitionTime: at(-10 * time.Second),
			}},
		},
	}
	ownedBy("SandboxClaim", "mine", "uid-mine")(sandbox)
	for _, f := range changes {
		f(sandbox)
	}
	return sandbox
}

func ownedBy(kind, name string, uid types.UID) sandboxChange {
	return func(s *v1beta1.Sandbox) {
		s.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: v1beta1.SchemeGroupVersion.String(), Kind: kind, Name: name, UID: uid, Controller: ptr.To(true),
		}}
	}
}

// unclaimed is a member of newPool.
func unclaimed(s *v1beta1.Sandbox) {
	s.Spec.ClaimRef = nil
	s.Labels = map[string]string{v1beta1.WarmPoolLabel: "python"}
	ownedBy(poolKind, "python", "uid-python")(s)
}

// madeBeforeTheLoss is a member that may be in use by a claim that the store has lost.
func madeBeforeTheLoss(s *v1beta1.Sandbox) { s.CreationTimestamp = at(-25 * time.Hour) }

func claimedBy(name string, uid types.UID) sandboxChange {
	return func(s *v1beta1.Sandbox) {
		s.Spec.ClaimRef = &v1beta1.SandboxClaimReference{Name: name, UID: uid}
		ownedBy("SandboxClaim", name, uid)(s)
	}
}

func sandboxNamed(name string) sandboxChange {
	return func(s *v1beta1.Sandbox) { s.Name, s.UID = name, types.UID("uid-"+name) }
}

func orphaned(s *v1beta1.Sandbox)       { s.OwnerReferences = nil }
func sandboxDeleted(s *v1beta1.Sandbox) { s.DeletionTimestamp = deleted }

// silent has not reported anything yet.
func silent(s *v1beta1.Sandbox) { s.Status = v1beta1.SandboxStatus{} }

func notReady(reason, message string) sandboxChange {
	return func(s *v1beta1.Sandbox) {
		s.Status.Conditions[0].Status, s.Status.Conditions[0].Reason, s.Status.Conditions[0].Message = metav1.ConditionFalse, reason, message
	}
}

func readySince(ago time.Duration) sandboxChange {
	return func(s *v1beta1.Sandbox) { s.Status.Conditions[0].LastTransitionTime = at(-ago) }
}

// finishedAgo is a Sandbox whose Pod ended by itself.
func finishedAgo(ago time.Duration) sandboxChange {
	return func(s *v1beta1.Sandbox) {
		notReady(v1beta1.ReasonPodSucceeded, "")(s)
		s.Status.Conditions = append(s.Status.Conditions, endedAgo(ago, v1beta1.ReasonPodSucceeded))
	}
}

func shutDownAt(in time.Duration) sandboxChange {
	return func(s *v1beta1.Sandbox) { s.Spec.ShutdownTime = ptr.To(at(in)) }
}

// byTheClaim marks a Sandbox that was shut down because its claim expired.
func byTheClaim(before string) sandboxChange {
	return func(s *v1beta1.Sandbox) { s.Annotations = map[string]string{shutdownAnnotation: before} }
}

func newPool(changes ...func(*v1beta1.SandboxWarmPool)) *v1beta1.SandboxWarmPool {
	pool := &v1beta1.SandboxWarmPool{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "python", UID: "uid-python", ResourceVersion: "5", Generation: 1},
		Spec:       v1beta1.SandboxWarmPoolSpec{SandboxTemplateRef: v1beta1.SandboxTemplateReference{Name: "shell"}},
	}
	for _, f := range changes {
		f(pool)
	}
	return pool
}

func newTemplate() *v1beta1.SandboxTemplate {
	return &v1beta1.SandboxTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "shell", UID: "uid-shell", ResourceVersion: "4"}}
}

func at(in time.Duration) metav1.Time { return metav1.NewTime(now.Add(in)) }

// stored is a condition as it is stored with a new claim.
func stored(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: 1, LastTransitionTime: at(-time.Minute),
	}
}

func endedAgo(ago time.Duration, reason string) metav1.Condition {
	return metav1.Condition{
		Type: v1beta1.ConditionFinished, Status: metav1.ConditionTrue, Reason: reason, ObservedGeneration: 1, LastTransitionTime: at(-ago),
	}
}

// see makes what a sync observes.
func see(objects ...any) observed {
	var seen observed
	for _, object := range objects {
		switch o := object.(type) {
		case *v1beta1.Sandbox:
			seen.sandbox = o
		case *v1beta1.SandboxWarmPool:
			seen.pool = o
		case *v1beta1.SandboxTemplate:
			seen.template = o
		}
	}
	return seen
}

// conditions of a status as "Status/Reason" by type.
func conditions(status v1beta1.SandboxClaimStatus) map[string]string {
	texts := map[string]string{}
	for _, condition := range status.Conditions {
		texts[condition.Type] = string(condition.Status) + "/" + condition.Reason
	}
	return texts
}
