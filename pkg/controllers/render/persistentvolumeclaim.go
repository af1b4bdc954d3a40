// SPDX-License-Identifier: Apache-2.0

package render

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// PersistentVolumeClaimName is the name of what a template of a Sandbox becomes.
func PersistentVolumeClaimName(sandbox *v1beta1.Sandbox, template *v1beta1.PersistentVolumeClaimTemplate) string {
	return template.Metadata.Name + "-" + sandbox.Name
}

// PersistentVolumeClaim is what a template of a Sandbox becomes. It has no owner:
// the garbage collector must never be able to delete a disk. Its label with the
// UID of the Sandbox says whose it is.
func PersistentVolumeClaim(sandbox *v1beta1.Sandbox, template *v1beta1.PersistentVolumeClaimTemplate) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Name:        PersistentVolumeClaimName(sandbox, template),
			Namespace:   sandbox.Namespace,
			Labels:      withLabels(template.Metadata.Labels, identityLabels(sandbox)),
			Annotations: withLabels(template.Metadata.Annotations, nil),
		},
		Spec: *template.Spec.DeepCopy(),
	}
}

// withDisks adds a volume for each disk of the Sandbox. It replaces a volume of
// the same name, as StatefulSet does.
func withDisks(sandbox *v1beta1.Sandbox, volumes []corev1.Volume) []corev1.Volume {
	for i := range sandbox.Spec.VolumeClaimTemplates {
		template := &sandbox.Spec.VolumeClaimTemplates[i]
		volumes = slices.DeleteFunc(volumes, func(v corev1.Volume) bool { return v.Name == template.Metadata.Name })
		volumes = append(volumes, corev1.Volume{
			Name: template.Metadata.Name,
			VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: PersistentVolumeClaimName(sandbox, template)},
			},
		})
	}
	return volumes
}
