// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

var (
	now    = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	past   = &metav1.Time{Time: now.Add(-time.Hour)}
	future = &metav1.Time{Time: now.Add(time.Hour)}
)

const reserved = "sandbox.agents.x-k8s.io/sandbox-uid"

// assertErrors compares errors by field and type, and holds every one of them
// to saying what would be right.
func assertErrors(t *testing.T, want []string, errs field.ErrorList) {
	t.Helper()
	var got []string
	for _, err := range errs {
		got = append(got, err.Field+": "+string(err.Type))
		if err.Type != field.ErrorTypeDuplicate {
			assert.NotEmpty(t, err.Detail, "%s says nothing about what would be right", err.Field)
		}
	}
	assert.Equal(t, want, got, "%v", errs)
}

func validPodTemplate() sandbox.PodTemplate {
	return sandbox.PodTemplate{
		Metadata: sandbox.PodMetadata{
			Labels:      map[string]string{"team": "agents"},
			Annotations: map[string]string{"example.com/note": "any text"},
		},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "setup", Image: "busybox"}},
			Containers:     []corev1.Container{{Name: "main", Image: "python:3.13-slim"}},
		},
	}
}

func dataVolume() sandbox.PersistentVolumeClaimTemplate {
	return sandbox.PersistentVolumeClaimTemplate{
		Metadata: sandbox.EmbeddedObjectMetadata{Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			},
		},
	}
}

func validMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: "dev", Namespace: "default", ResourceVersion: "7"}
}

func validSandbox() *sandbox.Sandbox {
	return &sandbox.Sandbox{
		ObjectMeta: validMeta(),
		Spec: sandbox.SandboxSpec{
			PodTemplate:          validPodTemplate(),
			VolumeClaimTemplates: []sandbox.PersistentVolumeClaimTemplate{dataVolume()},
			Service:              ptr.To(true),
			OperatingMode:        sandbox.SandboxRunning,
			ShutdownTime:         future,
			ShutdownPolicy:       sandbox.SandboxShutdownDelete,
			PersistentVolumeClaimRetentionPolicy: &sandbox.PersistentVolumeClaimRetentionPolicy{
				WhenDeleted: sandbox.PersistentVolumeClaimRetain,
			},
		},
	}
}

func validCondition() metav1.Condition {
	return metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "DependenciesReady", LastTransitionTime: *past}
}
