// SPDX-License-Identifier: Apache-2.0

package render

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func newSandbox(change ...func(*v1beta1.Sandbox)) *v1beta1.Sandbox {
	sandbox := &v1beta1.Sandbox{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "dev", UID: "uid-dev"},
		Spec: v1beta1.SandboxSpec{
			PodTemplate: v1beta1.PodTemplate{
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "shell"}}},
			},
		},
	}
	for _, f := range change {
		f(sandbox)
	}
	return sandbox
}

func withDisk(name string) func(*v1beta1.Sandbox) {
	return func(s *v1beta1.Sandbox) {
		s.Spec.VolumeClaimTemplates = append(s.Spec.VolumeClaimTemplates, v1beta1.PersistentVolumeClaimTemplate{
			Metadata: v1beta1.EmbeddedObjectMetadata{Name: name},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources: corev1.VolumeResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
				},
			},
		})
	}
}

func withService(s *v1beta1.Sandbox) { s.Spec.Service = ptr.To(true) }

func withIdentity(hostname, subdomain string) func(*v1beta1.Sandbox) {
	return func(s *v1beta1.Sandbox) {
		s.Spec.PodTemplate.Spec.Hostname, s.Spec.PodTemplate.Spec.Subdomain = hostname, subdomain
	}
}
