// SPDX-License-Identifier: Apache-2.0

package harness

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// Image is what every container here runs; nothing ever pulls it.
const Image = "busybox:1.37"

// Sandbox is a good Sandbox with one container "main", then changed.
func Sandbox(name string, changes ...func(*v1beta1.Sandbox)) *v1beta1.Sandbox {
	sandbox := &v1beta1.Sandbox{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1beta1.SandboxSpec{PodTemplate: podTemplate()},
	}
	for _, change := range changes {
		change(sandbox)
	}
	return sandbox
}

func podTemplate() v1beta1.PodTemplate {
	return v1beta1.PodTemplate{Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "main", Image: Image}},
		// The answer of a simulated node comes at once; that of a lost one never.
		TerminationGracePeriodSeconds: ptr.To(int64(1)),
	}}
}

// WithDisk adds a disk that the container mounts.
func WithDisk(name string) func(*v1beta1.Sandbox) {
	return func(s *v1beta1.Sandbox) {
		s.Spec.VolumeClaimTemplates = append(s.Spec.VolumeClaimTemplates, DiskTemplate(name))
		main := &s.Spec.PodTemplate.Spec.Containers[0]
		main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/" + name})
	}
}

// DiskTemplate is a good volume claim template.
func DiskTemplate(name string) v1beta1.PersistentVolumeClaimTemplate {
	return v1beta1.PersistentVolumeClaimTemplate{
		Metadata: v1beta1.EmbeddedObjectMetadata{Name: name},
		Spec:     DiskSpec(),
	}
}

// DiskSpec is a claim that gets a volume at once.
func DiskSpec() corev1.PersistentVolumeClaimSpec {
	return corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
	}
}

// Suspended makes a Sandbox that has no Pod.
func Suspended(s *v1beta1.Sandbox) { s.Spec.OperatingMode = v1beta1.SandboxSuspended }

// WithService asks for a Service of the Sandbox's own.
func WithService(s *v1beta1.Sandbox) { s.Spec.Service = ptr.To(true) }

// RetainingDisks keeps the disks when the Sandbox is deleted.
func RetainingDisks(s *v1beta1.Sandbox) {
	s.Spec.PersistentVolumeClaimRetentionPolicy = &v1beta1.PersistentVolumeClaimRetentionPolicy{WhenDeleted: v1beta1.PersistentVolumeClaimRetain}
}

// RunningOnce makes a Sandbox that is finished when its containers end.
func RunningOnce(s *v1beta1.Sandbox) {
	s.Spec.PodTemplate.Spec.RestartPolicy = corev1.RestartPolicyNever
}

// WithLabel sets a label of the Sandbox itself.
func WithLabel(key, value string) func(*v1beta1.Sandbox) {
	return func(s *v1beta1.Sandbox) { metav1.SetMetaDataLabel(&s.ObjectMeta, key, value) }
}

// Template is a good SandboxTemplate, then changed.
func Template(name string, changes ...func(*v1beta1.SandboxTemplate)) *v1beta1.SandboxTemplate {
	template := &v1beta1.SandboxTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1beta1.SandboxTemplateSpec{PodTemplate: podTemplate()},
	}
	for _, change := range changes {
		change(template)
	}
	return template
}

// Pool is a good SandboxWarmPool without replicas, then changed.
func Pool(name, template string, changes ...func(*v1beta1.SandboxWarmPool)) *v1beta1.SandboxWarmPool {
	pool := &v1beta1.SandboxWarmPool{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1beta1.SandboxWarmPoolSpec{
			Replicas:           ptr.To(int32(0)),
			SandboxTemplateRef: v1beta1.SandboxTemplateReference{Name: template},
		},
	}
	for _, change := range changes {
		change(pool)
	}
	return pool
}

// Claim is a good SandboxClaim that waits for a Sandbox, then changed.
func Claim(name, pool string, changes ...func(*v1beta1.SandboxClaim)) *v1beta1.SandboxClaim {
	claim := &v1beta1.SandboxClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1beta1.SandboxClaimSpec{
			WarmPoolRef: v1beta1.SandboxWarmPoolReference{Name: pool},
			OnEmptyPool: v1beta1.OnEmptyPoolWait,
		},
	}
	for _, change := range changes {
		change(claim)
	}
	return claim
}
