// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

func TestValidatePodTemplate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*sandbox.PodTemplate)
		want   []string
	}{
		{name: "valid", change: func(*sandbox.PodTemplate) {}},
		{
			name:   "no container",
			change: func(p *sandbox.PodTemplate) { p.Spec.Containers = nil },
			want:   []string{"t.spec.containers: FieldValueRequired"},
		},
		{
			name: "containers without name and image",
			change: func(p *sandbox.PodTemplate) {
				p.Spec.Containers = []corev1.Container{{}, {Image: "  "}}
			},
			want: []string{
				"t.spec.containers[0].name: FieldValueRequired",
				"t.spec.containers[0].image: FieldValueRequired",
				"t.spec.containers[1].name: FieldValueRequired",
				"t.spec.containers[1].image: FieldValueRequired",
			},
		},
		{
			name:   "container name is no label",
			change: func(p *sandbox.PodTemplate) { p.Spec.Containers[0].Name = "Main_1" },
			want:   []string{"t.spec.containers[0].name: FieldValueInvalid"},
		},
		{
			name:   "container named like an init container",
			change: func(p *sandbox.PodTemplate) { p.Spec.Containers[0].Name = "setup" },
			want:   []string{"t.spec.containers[0].name: FieldValueDuplicate"},
		},
		{name: "known restartPolicy", change: func(p *sandbox.PodTemplate) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }},
		{
			name:   "unknown restartPolicy",
			change: func(p *sandbox.PodTemplate) { p.Spec.RestartPolicy = "Sometimes" },
			want:   []string{"t.spec.restartPolicy: FieldValueNotSupported"},
		},
		{
			name: "bad metadata",
			change: func(p *sandbox.PodTemplate) {
				p.Metadata.Labels = map[string]string{"team": "not a label value"}
				p.Metadata.Annotations = map[string]string{"bad key!": ""}
			},
			want: []string{"t.metadata.labels: FieldValueInvalid", "t.metadata.annotations: FieldValueInvalid"},
		},
		{
			name: "reserved keys",
			change: func(p *sandbox.PodTemplate) {
				p.Metadata.Labels = map[string]string{reserved: "x", "sandbox.agents.x-k8s.io/a": "y"}
				p.Metadata.Annotations = map[string]string{reserved: "x"}
			},
			want: []string{
				"t.metadata.labels[sandbox.agents.x-k8s.io/a]: FieldValueForbidden",
				"t.metadata.labels[" + reserved + "]: FieldValueForbidden",
				"t.metadata.annotations[" + reserved + "]: FieldValueForbidden",
			},
		},
		{
			name: "keys that only look reserved",
			change: func(p *sandbox.PodTemplate) {
				p.Metadata.Labels = map[string]string{"x.sandbox.agents.x-k8s.io/a": "y", "sandbox.agents.x-k8s.io": "z"}
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			template := validPodTemplate()
			test.change(&template)
			assertErrors(t, test.want, validatePodTemplate(&template, field.NewPath("t")))
		})
	}
}

func TestValidateVolumeClaimTemplates(t *testing.T) {
	tests := []struct {
		name   string
		change func(*sandbox.PersistentVolumeClaimTemplate)
		want   []string
	}{
		{name: "valid", change: func(*sandbox.PersistentVolumeClaimTemplate) {}},
		{
			name:   "no name",
			change: func(v *sandbox.PersistentVolumeClaimTemplate) { v.Metadata.Name = "" },
			want:   []string{"v[0].metadata.name: FieldValueRequired"},
		},
		{
			name:   "name is no label",
			change: func(v *sandbox.PersistentVolumeClaimTemplate) { v.Metadata.Name = "my.data" },
			want:   []string{"v[0].metadata.name: FieldValueInvalid"},
		},
		{
			name:   "name too long",
			change: func(v *sandbox.PersistentVolumeClaimTemplate) { v.Metadata.Name = strings.Repeat("a", 64) },
			want:   []string{"v[0].metadata.name: FieldValueInvalid"},
		},
		{
			name: "reserved label",
			change: func(v *sandbox.PersistentVolumeClaimTemplate) {
				v.Metadata.Labels = map[string]string{reserved: "retained"}
			},
			want: []string{"v[0].metadata.labels[" + reserved + "]: FieldValueForbidden"},
		},
		{
			name:   "no access mode",
			change: func(v *sandbox.PersistentVolumeClaimTemplate) { v.Spec.AccessModes = nil },
			want:   []string{"v[0].spec.accessModes: FieldValueRequired"},
		},
		{
			name: "unknown access mode",
			change: func(v *sandbox.PersistentVolumeClaimTemplate) {
				v.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany, "ReadOnce"}
			},
			want: []string{"v[0].spec.accessModes[1]: FieldValueNotSupported"},
		},
		{
			name: "ReadWriteOncePod and another",
			change: func(v *sandbox.PersistentVolumeClaimTemplate) {
				v.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod, corev1.ReadWriteOnce}
			},
			want: []string{"v[0].spec.accessModes[0]: FieldValueForbidden"},
		},
		{
			name:   "no storage request",
			change: func(v *sandbox.PersistentVolumeClaimTemplate) { v.Spec.Resources.Requests = nil },
			want:   []string{"v[0].spec.resources.requests[storage]: FieldValueRequired"},
		},
		{
			name: "storage request of 0",
			change: func(v *sandbox.PersistentVolumeClaimTemplate) {
				v.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: {}}
			},
			want: []string{"v[0].spec.resources.requests[storage]: FieldValueInvalid"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			template := dataVolume()
			test.change(&template)
			assertErrors(t, test.want, validateVolumeClaimTemplates([]sandbox.PersistentVolumeClaimTemplate{template}, field.NewPath("v")))
		})
	}
}
