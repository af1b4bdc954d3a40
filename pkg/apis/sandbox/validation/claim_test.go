// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

func validClaim() *sandbox.SandboxClaim {
	return &sandbox.SandboxClaim{
		ObjectMeta: validMeta(),
		Spec: sandbox.SandboxClaimSpec{
			WarmPoolRef: sandbox.SandboxWarmPoolReference{Name: "python"},
			Lifecycle: &sandbox.SandboxClaimLifecycle{
				ShutdownTime:            future,
				TTLSecondsAfterFinished: ptr.To[int32](0),
				ShutdownPolicy:          sandbox.SandboxClaimShutdownDelete,
			},
			AdditionalPodMetadata: sandbox.PodMetadata{Labels: map[string]string{"user": "ada"}},
			Env: []sandbox.SandboxEnvVar{
				{Name: "TOKEN", Value: "a=b"},
				{Name: "TOKEN", ContainerName: "main"},
				{Name: "my.odd-name"},
			},
			VolumeClaimTemplates: []sandbox.PersistentVolumeClaimTemplate{dataVolume()},
			OnEmptyPool:          sandbox.OnEmptyPoolWait,
		},
	}
}

func TestValidateSandboxClaim(t *testing.T) {
	tests := []struct {
		name   string
		change func(*sandbox.SandboxClaim)
		want   []string
	}{
		{name: "valid", change: func(*sandbox.SandboxClaim) {}},
		{name: "no lifecycle", change: func(c *sandbox.SandboxClaim) { c.Spec.Lifecycle = nil }},
		{
			name:   "name of 64 characters",
			change: func(c *sandbox.SandboxClaim) { c.Name = strings.Repeat("a", 64) },
			want:   []string{"metadata.name: FieldValueInvalid"},
		},
		{
			name:   "no pool",
			change: func(c *sandbox.SandboxClaim) { c.Spec.WarmPoolRef.Name = "" },
			want:   []string{"spec.warmPoolRef.name: FieldValueRequired"},
		},
		{
			name: "bad lifecycle",
			change: func(c *sandbox.SandboxClaim) {
				c.Spec.Lifecycle.TTLSecondsAfterFinished = ptr.To[int32](-1)
				c.Spec.Lifecycle.ShutdownPolicy = "Later"
				c.Spec.Lifecycle.ShutdownTime = past
			},
			want: []string{
				"spec.lifecycle.ttlSecondsAfterFinished: FieldValueInvalid",
				"spec.lifecycle.shutdownPolicy: FieldValueNotSupported",
				"spec.lifecycle.shutdownTime: FieldValueInvalid",
			},
		},
		{
			name:   "reserved key",
			change: func(c *sandbox.SandboxClaim) { c.Spec.AdditionalPodMetadata.Labels[reserved] = "x" },
			want:   []string{"spec.additionalPodMetadata.labels[" + reserved + "]: FieldValueForbidden"},
		},
		{
			name: "bad env",
			change: func(c *sandbox.SandboxClaim) {
				c.Spec.Env = []sandbox.SandboxEnvVar{
					{Value: "x"}, {Name: "A=B"}, {Name: "C", ContainerName: "No Label"}, {Name: "D"}, {Name: "D"},
				}
			},
			want: []string{
				"spec.env[0].name: FieldValueRequired",
				"spec.env[1].name: FieldValueInvalid",
				"spec.env[2].containerName: FieldValueInvalid",
				"spec.env[4].name: FieldValueDuplicate",
			},
		},
		{
			name:   "volume without access mode",
			change: func(c *sandbox.SandboxClaim) { c.Spec.VolumeClaimTemplates[0].Spec.AccessModes = nil },
			want:   []string{"spec.volumeClaimTemplates[0].spec.accessModes: FieldValueRequired"},
		},
		{
			name:   "unknown onEmptyPool",
			change: func(c *sandbox.SandboxClaim) { c.Spec.OnEmptyPool = "Panic" },
			want:   []string{"spec.onEmptyPool: FieldValueNotSupported"},
		},
		{
			name:   "too large",
			change: func(c *sandbox.SandboxClaim) { c.Spec.Env[0].Value = strings.Repeat("x", MaxClaimBytes) },
			want:   []string{"spec: FieldValueTooLong"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			claim := validClaim()
			test.change(claim)
			assertErrors(t, test.want, ValidateSandboxClaim(claim, now))
		})
	}
}

func TestValidateSandboxClaimUpdate(t *testing.T) {
	tests := []struct {
		name   string
		stored func(*sandbox.SandboxClaim)
		change func(*sandbox.SandboxClaim)
		want   []string
	}{
		{
			name:   "extended",
			stored: func(c *sandbox.SandboxClaim) { c.Spec.Lifecycle.ShutdownTime = past },
			change: func(c *sandbox.SandboxClaim) { c.Spec.Lifecycle.ShutdownTime = future },
		},
		{name: "lifecycle removed", change: func(c *sandbox.SandboxClaim) { c.Spec.Lifecycle = nil }},
		{
			name:   "lifecycle added in the past",
			stored: func(c *sandbox.SandboxClaim) { c.Spec.Lifecycle = nil },
			change: func(c *sandbox.SandboxClaim) {
				c.Spec.Lifecycle = &sandbox.SandboxClaimLifecycle{ShutdownTime: past, ShutdownPolicy: sandbox.SandboxClaimShutdownRetain}
			},
			want: []string{"spec.lifecycle.shutdownTime: FieldValueInvalid"},
		},
		{
			name:   "past shutdownTime kept",
			stored: func(c *sandbox.SandboxClaim) { c.Spec.Lifecycle.ShutdownTime = past },
			change: func(c *sandbox.SandboxClaim) { c.Spec.Lifecycle.TTLSecondsAfterFinished = nil },
		},
		{
			name: "all that never changes",
			change: func(c *sandbox.SandboxClaim) {
				c.Spec.WarmPoolRef.Name = "other"
				c.Spec.AdditionalPodMetadata.Labels["user"] = "bob"
				c.Spec.Env = nil
				c.Spec.VolumeClaimTemplates = nil
				c.Spec.OnEmptyPool = sandbox.OnEmptyPoolReject
			},
			want: []string{
				"spec.warmPoolRef: FieldValueForbidden",
				"spec.additionalPodMetadata: FieldValueForbidden",
				"spec.env: FieldValueForbidden",
				"spec.volumeClaimTemplates: FieldValueForbidden",
				"spec.onEmptyPool: FieldValueForbidden",
			},
		},
		{
			name:   "spec of older rules, unchanged",
			stored: func(c *sandbox.SandboxClaim) { c.Spec.Env[0].Name = "A=B" },
			change: func(c *sandbox.SandboxClaim) { c.Labels = map[string]string{"a": "b"} },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			old := validClaim()
			if test.stored != nil {
				test.stored(old)
			}
			claim := old.DeepCopy()
			test.change(claim)
			assertErrors(t, test.want, ValidateSandboxClaimUpdate(claim, old, now))
		})
	}
}

func TestValidateSandboxClaimStatusUpdate(t *testing.T) {
	tests := []struct {
		held *sandbox.ClaimedSandbox
		want []string
	}{
		{},
		{held: &sandbox.ClaimedSandbox{Name: "python-1", PodIPs: []string{"10.0.0.1"}, LaunchType: sandbox.LaunchWarm}},
		{
			held: &sandbox.ClaimedSandbox{PodIPs: []string{"nowhere"}, LaunchType: "Hot"},
			want: []string{
				"status.sandbox.name: FieldValueRequired",
				"status.sandbox.podIPs[0]: FieldValueInvalid",
				"status.sandbox.launchType: FieldValueNotSupported",
			},
		},
	}
	for i, test := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			claim := validClaim()
			claim.Status.Sandbox = test.held
			assertErrors(t, test.want, ValidateSandboxClaimStatusUpdate(claim, validClaim()))
		})
	}
}
