// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

const anchorUID types.UID = "uid-anchor"

var (
	now     = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	deleted = ptr.To(metav1.NewTime(now.Add(-time.Second)))
)

type change = func(*v1beta1.Sandbox)

func newSandbox(changes ...change) *v1beta1.Sandbox {
	sandbox := &v1beta1.Sandbox{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: "dev", UID: "uid-dev", ResourceVersion: "7", Generation: 3,
			Finalizers: []string{v1beta1.SandboxFinalizer},
		},
		Spec: v1beta1.SandboxSpec{
			PodTemplate:    v1beta1.PodTemplate{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "shell"}}}},
			OperatingMode:  v1beta1.SandboxRunning,
			ShutdownPolicy: v1beta1.SandboxShutdownRetain,
		},
	}
	for _, f := range changes {
		f(sandbox)
	}
	return sandbox
}

func withSuspend(s *v1beta1.Sandbox)  { s.Spec.OperatingMode = v1beta1.SandboxSuspended }
func withService(s *v1beta1.Sandbox)  { s.Spec.Service = ptr.To(true) }
func withDeletion(s *v1beta1.Sandbox) { s.DeletionTimestamp = deleted }
func withRetain(s *v1beta1.Sandbox) {
	s.Spec.PersistentVolumeClaimRetentionPolicy = &v1beta1.PersistentVolumeClaimRetentionPolicy{WhenDeleted: v1beta1.PersistentVolumeClaimRetain}
}

func withDeletePolicy(s *v1beta1.Sandbox) { s.Spec.ShutdownPolicy = v1beta1.SandboxShutdownDelete }

func withDisks(names ...string) change {
	return func(s *v1beta1.Sandbox) {
		for _, name := range names {
			s.Spec.VolumeClaimTemplates = append(s.Spec.VolumeClaimTemplates,
				v1beta1.PersistentVolumeClaimTemplate{Metadata: v1beta1.EmbeddedObjectMetadata{Name: name}})
		}
	}
}

func withShutdown(in time.Duration) change {
	return func(s *v1beta1.Sandbox) { s.Spec.ShutdownTime = ptr.To(metav1.NewTime(now.Add(in))) }
}

func withFinalizers(finalizers ...string) change {
	return func(s *v1beta1.Sandbox) { s.Finalizers = finalizers }
}

// withOrphaned is what the server says on a Sandbox once the collector has orphaned its children.
func withOrphaned(s *v1beta1.Sandbox) {
	s.Annotations = map[string]string{v1beta1.OrphanDependentsAnnotation: "true"}
}

func withCondition(kind string, status metav1.ConditionStatus, reason string) change {
	return func(s *v1beta1.Sandbox) {
		s.Status.Conditions = append(s.Status.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: "as before", ObservedGeneration: 2,
			LastTransitionTime: metav1.NewTime(now.Add(-time.Hour)),
		})
	}
}

func withFinished(reason string) change {
	return withCondition(v1beta1.ConditionFinished, metav1.ConditionTrue, reason)
}

// newPod is the Pod of newSandbox, scheduled but not yet running.
func newPod(changes ...func(*corev1.Pod)) *corev1.Pod {
	pod := render.Pod(newSandbox(), anchorUID)
	pod.UID, pod.ResourceVersion = "uid-pod", "70"
	pod.CreationTimestamp = metav1.NewTime(now.Add(-time.Hour))
	pod.Spec.NodeName = "node-1"
	pod.Status.Phase = corev1.PodPending
	for _, f := range changes {
		f(pod)
	}
	return pod
}

// up is what a Pod reports that serves.
func up(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	p.Status.PodIPs = []corev1.PodIP{{IP: "10.0.0.9"}, {IP: "fd00::9"}}
	p.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
		{Type: corev1.PodReady, Status: corev1.ConditionTrue},
	}
}

func terminating(p *corev1.Pod) {
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = deleted, ptr.To[int64](30)
}

func unowned(p *corev1.Pod) { p.OwnerReferences = nil }

// stranger has the name of the Pod, and nothing else of it.
func stranger(p *corev1.Pod) {
	p.OwnerReferences, p.Labels, p.UID = nil, map[string]string{"app": "theirs"}, "uid-theirs"
}

func unscheduled(p *corev1.Pod) { p.Spec.NodeName = "" }

func young(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(now.Add(-3 * time.Second)) }

func inPhase(phase corev1.PodPhase) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Phase = phase }
}

func because(reason string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Reason, p.Status.Message = reason, "said the kubelet" }
}

// exited adds a container that ended.
func exited(code int32) func(*corev1.Pod) {
	return exitedAs(corev1.ContainerStateTerminated{ExitCode: code, Reason: map[bool]string{true: "Completed", false: "Error"}[code == 0]})
}

func exitedAs(end corev1.ContainerStateTerminated) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses,
			corev1.ContainerStatus{Name: "main", State: corev1.ContainerState{Terminated: &end}})
	}
}

func never(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }

func podCond(kind corev1.PodConditionType, status corev1.ConditionStatus, reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: kind, Status: status, Reason: reason, Message: message})
	}
}

func sharedService(changes ...func(*corev1.Service)) *corev1.Service {
	service := render.SharedService("team")
	service.UID, service.ResourceVersion = anchorUID, "50"
	for _, f := range changes {
		f(service)
	}
	return service
}

func ownService(changes ...func(*corev1.Service)) *corev1.Service {
	service := render.Service(newSandbox(), anchorUID)
	service.UID, service.ResourceVersion = "uid-service", "60"
	for _, f := range changes {
		f(service)
	}
	return service
}

func strangeService(s *corev1.Service) {
	s.Labels, s.OwnerReferences, s.UID = nil, nil, "uid-theirs"
}

func terminatingService(s *corev1.Service) { s.DeletionTimestamp = deleted }

// newDisk is the disk that a template of newSandbox becomes.
func newDisk(template string, changes ...func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	disk := render.PersistentVolumeClaim(newSandbox(),
		&v1beta1.PersistentVolumeClaimTemplate{Metadata: v1beta1.EmbeddedObjectMetadata{Name: template}})
	disk.UID, disk.ResourceVersion = types.UID("uid-"+template), "80"
	for _, f := range changes {
		f(disk)
	}
	return disk
}

func diskOf(uid string) func(*corev1.PersistentVolumeClaim) {
	return func(d *corev1.PersistentVolumeClaim) { d.Labels[v1beta1.SandboxUIDLabel] = uid }
}

func strangeDisk(d *corev1.PersistentVolumeClaim) { d.Labels = map[string]string{"app": "theirs"} }

func terminatingDisk(d *corev1.PersistentVolumeClaim) { d.DeletionTimestamp = deleted }

func newNode(status corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "node-1", UID: "uid-node"},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}},
	}
}

// see makes what a sync observes; the shared Service and a ready node are there unless taken out.
func see(objects ...any) observed {
	seen := observed{
		shared: sharedService(),
		node:   newNode(corev1.ConditionTrue),
		disks:  map[string]*corev1.PersistentVolumeClaim{},
	}
	for _, object := range objects {
		switch o := object.(type) {
		case *corev1.Pod:
			seen.pod = o
		case *corev1.Node:
			seen.node = o
		case *v1beta1.SandboxTemplate:
			seen.template = o
		case *corev1.PersistentVolumeClaim:
			seen.disks[o.Name] = o
		case *corev1.Service:
			if o.Name == v1beta1.SharedServiceName {
				seen.shared = o
			} else {
				seen.own = o
			}
		case func(*observed):
			o(&seen)
		}
	}
	return seen
}

func noShared(o *observed) { o.shared = nil }
func noNode(o *observed)   { o.node = nil }
