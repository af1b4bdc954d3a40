// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

func TestValidateSandbox(t *testing.T) {
	tests := []struct {
		name   string
		change func(*sandbox.Sandbox)
		want   []string
	}{
		{name: "valid", change: func(*sandbox.Sandbox) {}},
		{name: "name of 63 characters", change: func(s *sandbox.Sandbox) { s.Name = strings.Repeat("a", 63) }},
		{
			name:   "name of 64 characters",
			change: func(s *sandbox.Sandbox) { s.Name = strings.Repeat("a", 64) },
			want:   []string{"metadata.name: FieldValueInvalid"},
		},
		{
			name:   "name with a dot",
			change: func(s *sandbox.Sandbox) { s.Name = "dev.one" },
			want:   []string{"metadata.name: FieldValueInvalid"},
		},
		{
			name:   "no name",
			change: func(s *sandbox.Sandbox) { s.Name = "" },
			want:   []string{"metadata.name: FieldValueRequired"},
		},
		{
			name:   "bad finalizer",
			change: func(s *sandbox.Sandbox) { s.Finalizers = []string{"no slash or domain!"} },
			want:   []string{"metadata.finalizers: FieldValueInvalid"},
		},
		{
			name:   "claimRef set by a user",
			change: func(s *sandbox.Sandbox) { s.Spec.ClaimRef = &sandbox.SandboxClaimReference{Name: "mine", UID: "1"} },
			want:   []string{"spec.claimRef: FieldValueForbidden"},
		},
		{
			name:   "empty claimRef set by a user",
			change: func(s *sandbox.Sandbox) { s.Spec.ClaimRef = &sandbox.SandboxClaimReference{} },
			want:   []string{"spec.claimRef: FieldValueForbidden"},
		},
		{
			name:   "shutdownTime in the past",
			change: func(s *sandbox.Sandbox) { s.Spec.ShutdownTime = past },
			want:   []string{"spec.shutdownTime: FieldValueInvalid"},
		},
		{
			name:   "shutdownTime is now",
			change: func(s *sandbox.Sandbox) { s.Spec.ShutdownTime = &metav1.Time{Time: now} },
			want:   []string{"spec.shutdownTime: FieldValueInvalid"},
		},
		{
			name: "unknown values",
			change: func(s *sandbox.Sandbox) {
				s.Spec.OperatingMode = "Sleeping"
				s.Spec.ShutdownPolicy = "Explode"
				s.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted = "Keep"
			},
			want: []string{
				"spec.operatingMode: FieldValueNotSupported",
				"spec.shutdownPolicy: FieldValueNotSupported",
				"spec.persistentVolumeClaimRetentionPolicy.whenDeleted: FieldValueNotSupported",
			},
		},
		{
			name: "reserved label on the Pod and a duplicate volume",
			change: func(s *sandbox.Sandbox) {
				s.Spec.PodTemplate.Metadata.Labels[reserved] = "other"
				s.Spec.VolumeClaimTemplates = append(s.Spec.VolumeClaimTemplates, dataVolume())
			},
			want: []string{
				"spec.podTemplate.metadata.labels[" + reserved + "]: FieldValueForbidden",
				"spec.volumeClaimTemplates[1].metadata.name: FieldValueDuplicate",
			},
		},
		{
			name: "too large",
			change: func(s *sandbox.Sandbox) {
				s.Spec.PodTemplate.Spec.Containers[0].Args = []string{strings.Repeat("x", MaxObjectBytes)}
			},
			want: []string{"spec: FieldValueTooLong"},
		},
		{
			name: "just not too large",
			change: func(s *sandbox.Sandbox) {
				s.Spec.PodTemplate.Spec.Containers[0].Args = []string{strings.Repeat("x", MaxObjectBytes-1024)}
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := validSandbox()
			test.change(s)
			assertErrors(t, test.want, ValidateSandbox(s, now))
		})
	}
}

func TestValidateSandboxUpdate(t *testing.T) {
	tests := []struct {
		name   string
		stored func(*sandbox.Sandbox)
		change func(*sandbox.Sandbox)
		want   []string
	}{
		{name: "nothing", change: func(*sandbox.Sandbox) {}},
		{
			name: "what may change",
			change: func(s *sandbox.Sandbox) {
				s.Labels = map[string]string{"a": "b"}
				s.Spec.PodTemplate.Spec.Containers[0].Image = "python:3.14-slim"
				s.Spec.Service = ptr.To(false)
				s.Spec.OperatingMode = sandbox.SandboxSuspended
				s.Spec.ShutdownTime = nil
				s.Spec.ShutdownPolicy = sandbox.SandboxShutdownRetain
				s.Spec.PersistentVolumeClaimRetentionPolicy = nil
			},
		},
		{
			name:   "another volume",
			change: func(s *sandbox.Sandbox) { s.Spec.VolumeClaimTemplates = nil },
			want:   []string{"spec.volumeClaimTemplates: FieldValueForbidden"},
		},
		{
			name:   "claimRef set by a user",
			change: func(s *sandbox.Sandbox) { s.Spec.ClaimRef = &sandbox.SandboxClaimReference{Name: "mine", UID: "1"} },
			want:   []string{"spec.claimRef: FieldValueForbidden"},
		},
		{
			name:   "claimRef changed",
			stored: func(s *sandbox.Sandbox) { s.Spec.ClaimRef = &sandbox.SandboxClaimReference{Name: "yours", UID: "1"} },
			change: func(s *sandbox.Sandbox) { s.Spec.ClaimRef.Name = "mine" },
			want:   []string{"spec.claimRef: FieldValueForbidden"},
		},
		{
			name:   "claimRef removed",
			stored: func(s *sandbox.Sandbox) { s.Spec.ClaimRef = &sandbox.SandboxClaimReference{Name: "yours", UID: "1"} },
			change: func(s *sandbox.Sandbox) { s.Spec.ClaimRef = nil },
			want:   []string{"spec.claimRef: FieldValueForbidden"},
		},
		{
			name:   "claimed, and something else changed",
			stored: func(s *sandbox.Sandbox) { s.Spec.ClaimRef = &sandbox.SandboxClaimReference{Name: "yours", UID: "1"} },
			change: func(s *sandbox.Sandbox) { s.Spec.OperatingMode = sandbox.SandboxSuspended },
		},
		{
			name:   "shutdownTime moved into the past",
			change: func(s *sandbox.Sandbox) { s.Spec.ShutdownTime = past },
			want:   []string{"spec.shutdownTime: FieldValueInvalid"},
		},
		{
			name:   "shutdownTime has passed since",
			stored: func(s *sandbox.Sandbox) { s.Spec.ShutdownTime = past },
			change: func(s *sandbox.Sandbox) { s.Spec.ShutdownPolicy = sandbox.SandboxShutdownRetain },
		},
		{
			name:   "spec of older rules, unchanged",
			stored: func(s *sandbox.Sandbox) { s.Spec.PodTemplate.Spec.Containers = nil },
			change: func(s *sandbox.Sandbox) { s.Finalizers = nil; s.Labels = map[string]string{"a": "b"} },
		},
		{
			name:   "spec of older rules, changed",
			stored: func(s *sandbox.Sandbox) { s.Spec.PodTemplate.Spec.Containers = nil },
			change: func(s *sandbox.Sandbox) { s.Spec.Service = nil },
			want:   []string{"spec.podTemplate.spec.containers: FieldValueRequired"},
		},
		{
			name:   "metadata that never changes",
			change: func(s *sandbox.Sandbox) { s.UID = "another" },
			want:   []string{"metadata.uid: FieldValueInvalid"},
		},
		{
			name: "grown too large",
			change: func(s *sandbox.Sandbox) {
				s.Spec.PodTemplate.Spec.Containers[0].Args = []string{strings.Repeat("x", MaxObjectBytes)}
			},
			want: []string{"spec: FieldValueTooLong"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			old := validSandbox()
			old.UID = "one"
			if test.stored != nil {
				test.stored(old)
			}
			s := old.DeepCopy()
			test.change(s)
			assertErrors(t, test.want, ValidateSandboxUpdate(s, old, now))
		})
	}
}

func TestValidateSandboxStatusUpdate(t *testing.T) {
	tests := []struct {
		name   string
		status sandbox.SandboxStatus
		want   []string
	}{
		{name: "empty"},
		{
			name: "valid",
			status: sandbox.SandboxStatus{
				Conditions: []metav1.Condition{validCondition()},
				PodIPs:     []string{"10.1.2.3", "2001:db8::7"},
			},
		},
		{
			name:   "no address",
			status: sandbox.SandboxStatus{PodIPs: []string{"10.1.2.3", "node-1"}},
			want:   []string{"status.podIPs[1]: FieldValueInvalid"},
		},
		{
			name:   "unknown condition status",
			status: sandbox.SandboxStatus{Conditions: []metav1.Condition{{Type: "Ready", Status: "Maybe", Reason: "Why", LastTransitionTime: *past}}},
			want:   []string{"status.conditions[0].status: FieldValueNotSupported"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := validSandbox()
			s.Status = test.status
			assertErrors(t, test.want, ValidateSandboxStatusUpdate(s, validSandbox()))
		})
	}
}

func TestIncompleteConditionsAreRefused(t *testing.T) {
	s := validSandbox()
	s.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue}}
	errs := ValidateSandboxStatusUpdate(s, validSandbox())
	require.Len(t, errs, 2)
	assert.Equal(t, "status.conditions[0].lastTransitionTime", errs[0].Field)
	assert.Equal(t, "status.conditions[0].reason", errs[1].Field)
}

func TestMessagesSayWhatWouldBeRight(t *testing.T) {
	s := validSandbox()
	s.Spec.ShutdownTime = past
	s.Spec.OperatingMode = "Sleeping"
	s.Spec.ClaimRef = &sandbox.SandboxClaimReference{Name: "mine"}
	s.Spec.VolumeClaimTemplates[0].Spec.AccessModes = []corev1.PersistentVolumeAccessMode{"ReadOnce"}

	var messages []string
	for _, err := range ValidateSandbox(s, now) {
		messages = append(messages, err.Error())
	}
	assert.Equal(t, []string{
		`spec.claimRef: Forbidden: it is written by a claim: create a SandboxClaim, or POST one to sandboxes/NAME/claim`,
		`spec.volumeClaimTemplates[0].spec.accessModes[0]: Unsupported value: "ReadOnce": supported values: "ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"`,
		`spec.operatingMode: Unsupported value: "Sleeping": supported values: "Running", "Suspended"`,
		`spec.shutdownTime: Invalid value: "2026-05-01T11:00:00Z": must lie in the future: it is 2026-05-01T12:00:00Z now`,
	}, messages)
}
