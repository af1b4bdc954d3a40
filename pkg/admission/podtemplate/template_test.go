// SPDX-License-Identifier: Apache-2.0

package podtemplate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

func disks(names ...string) []sandbox.PersistentVolumeClaimTemplate {
	var templates []sandbox.PersistentVolumeClaimTemplate
	for _, name := range names {
		templates = append(templates, sandbox.PersistentVolumeClaimTemplate{Metadata: sandbox.EmbeddedObjectMetadata{Name: name}})
	}
	return templates
}

func volumes(names ...string) []corev1.Volume {
	var found []corev1.Volume
	for _, name := range names {
		found = append(found, corev1.Volume{Name: name})
	}
	return found
}

func TestFieldsOfAPodAreFoundInTheObject(t *testing.T) {
	subject := template{spec: sandbox.SandboxSpec{
		PodTemplate:          sandbox.PodTemplate{Spec: corev1.PodSpec{Volumes: volumes("tmp", "data", "config")}},
		VolumeClaimTemplates: disks("home", "data"),
	}}
	pod, err := subject.pod("default")
	require.NoError(t, err)
	var order []string
	for _, volume := range pod.Spec.Volumes {
		order = append(order, volume.Name)
	}
	require.Equal(t, []string{"tmp", "config", "home", "data"}, order, "render puts volumes in another order now")

	tests := map[string]string{
		"spec.containers[0].ports[1].containerPort": "spec.podTemplate.spec.containers[0].ports[1].containerPort",
		"spec.containers":                        "spec.podTemplate.spec.containers",
		"metadata.labels":                        "spec.podTemplate.metadata.labels",
		"metadata.annotations[a/b]":              "spec.podTemplate.metadata.annotations[a/b]",
		"spec.volumes[0].name":                   "spec.podTemplate.spec.volumes[0].name",
		"spec.volumes[1].configMap.name":         "spec.podTemplate.spec.volumes[2].configMap.name",
		"spec.volumes[2].persistentVolumeClaim":  "spec.volumeClaimTemplates[0]",
		"spec.volumes[3]":                        "spec.volumeClaimTemplates[1]",
		"spec.volumes[4].name":                   "spec.podTemplate.spec.volumes",
		"spec.volumes[99999999999999999999].nam": "spec.podTemplate.spec.volumes[99999999999999999999].nam",
		"<nil>":                                  "spec.podTemplate",
	}
	for podField, want := range tests {
		assert.Equal(t, want, subject.field(podField), podField)
	}
}

func TestPodOfADryRun(t *testing.T) {
	hub := sandbox.SandboxSpec{
		PodTemplate: sandbox.PodTemplate{
			Metadata: sandbox.PodMetadata{Labels: map[string]string{"team": "agents"}},
			Spec:     corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "busybox"}}},
		},
		VolumeClaimTemplates: disks("data"),
	}
	pod, err := template{name: "dev", spec: hub}.pod("team-a")
	require.NoError(t, err)
	other, err := template{name: "another", spec: hub}.pod("team-a")
	require.NoError(t, err)

	assert.Equal(t, pod, other, "the name of the object must not matter")
	assert.Empty(t, pod.Name)
	assert.Equal(t, "sandbox-dry-run-", pod.GenerateName)
	assert.Equal(t, "team-a", pod.Namespace)
	assert.Empty(t, pod.OwnerReferences)
	assert.Equal(t, "agents", pod.Labels["team"])
	assert.Equal(t, "data", pod.Spec.Volumes[0].Name)
	assert.Empty(t, hub.PodTemplate.Spec.Volumes, "the object of the request was changed")
}

func TestInvalidSpeaksOfTheObject(t *testing.T) {
	err := template{name: "dev"}.invalid(sandbox.Kind("Sandbox"), []metav1.StatusCause{
		{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.containers[0].ports[0].containerPort", Message: "Invalid value: 70000: must be between 1 and 65535, inclusive"},
		{Type: metav1.CauseTypeFieldValueNotFound, Field: "spec.containers[0].volumeMounts[0].name", Message: `Not found: "data"`},
	})
	require.True(t, apierrors.IsInvalid(err))
	assert.EqualError(t, err, `Sandbox.sandbox.agents.x-k8s.io "dev" is invalid: [`+
		`spec.podTemplate.spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive, `+
		`spec.podTemplate.spec.containers[0].volumeMounts[0].name: Not found: "data"]`)
	var status apierrors.APIStatus
	require.ErrorAs(t, err, &status)
	assert.Equal(t, int32(422), status.Status().Code)
	assert.Equal(t, "spec.podTemplate.spec.containers[0].volumeMounts[0].name", status.Status().Details.Causes[1].Field)
	assert.Equal(t, metav1.CauseTypeFieldValueNotFound, status.Status().Details.Causes[1].Type)
	assert.Equal(t, "dev", status.Status().Details.Name)
}
