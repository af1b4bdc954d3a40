// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

func TestFieldLabels(t *testing.T) {
	supported := map[string][]string{
		"Sandbox":         {"metadata.name", "metadata.namespace", "spec.operatingMode", "spec.claimRef.name", "status.nodeName"},
		"SandboxTemplate": {"metadata.name", "metadata.namespace"},
		"SandboxWarmPool": {"metadata.name", "metadata.namespace", "spec.sandboxTemplateRef.name"},
		"SandboxClaim":    {"metadata.name", "metadata.namespace", "spec.warmPoolRef.name"},
	}
	labels := map[string]bool{"spec.unknown": true, "metadata.uid": true}
	for _, of := range supported {
		for _, label := range of {
			labels[label] = true
		}
	}
	scheme := testScheme(t)
	for kind, of := range supported {
		for label := range labels {
			t.Run(kind+" "+label, func(t *testing.T) {
				got, value, err := scheme.ConvertFieldLabel(SchemeGroupVersion.WithKind(kind), label, "x")
				if !slices.Contains(of, label) {
					require.ErrorContains(t, err, label)
					assert.ErrorContains(t, err, "use metadata.name")
					return
				}
				require.NoError(t, err)
				assert.Equal(t, label, got)
				assert.Equal(t, "x", value)
			})
		}
	}
}

// A strategic merge patch is guided by struct tags, ours and those of the PodSpec.
func TestStrategicMergePatch(t *testing.T) {
	tests := []struct {
		name                  string
		original, patch, want string
	}{
		{
			name: "containers merge by name, their env too",
			original: `{"spec":{"podTemplate":{"spec":{"containers":[
				{"name":"main","image":"a","env":[{"name":"X","value":"1"}]},{"name":"side","image":"b"}]}}}}`,
			patch: `{"spec":{"podTemplate":{"spec":{"containers":[{"name":"main","env":[{"name":"Y","value":"2"}]}]}}}}`,
			want: `{"spec":{"podTemplate":{"spec":{"containers":[
				{"name":"main","image":"a","env":[{"name":"Y","value":"2"},{"name":"X","value":"1"}]},{"name":"side","image":"b"}]}}}}`,
		},
		{
			name:     "conditions merge by type",
			original: `{"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"Suspended","status":"False"}]}}`,
			patch:    `{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`,
			want:     `{"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"Suspended","status":"False"}]}}`,
		},
		{
			name:     "labels merge by key",
			original: `{"spec":{"podTemplate":{"metadata":{"labels":{"a":"1","b":"2"}}}}}`,
			patch:    `{"spec":{"podTemplate":{"metadata":{"labels":{"a":null,"c":"3"}}}}}`,
			want:     `{"spec":{"podTemplate":{"metadata":{"labels":{"b":"2","c":"3"}}}}}`,
		},
		{
			name:     "volumes are replaced as a whole",
			original: `{"spec":{"volumeClaimTemplates":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}}`,
			patch:    `{"spec":{"volumeClaimTemplates":[{"metadata":{"name":"c"}}]}}`,
			want:     `{"spec":{"volumeClaimTemplates":[{"metadata":{"name":"c"}}]}}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := strategicpatch.StrategicMergePatch([]byte(test.original), []byte(test.patch), &Sandbox{})
			require.NoError(t, err)
			assert.JSONEq(t, test.want, string(got))
		})
	}
}

// Whoever greps for a reserved key finds it below the prefix that validation refuses.
func TestReservedKeysShareThePrefix(t *testing.T) {
	assert.Equal(t, "sandbox.agents.x-k8s.io/", KeyPrefix)
	for _, key := range []string{
		SandboxLabel, SandboxNameLabel, SandboxUIDLabel, SharedServiceLabel, ClaimLabel, WarmPoolLabel, TemplateLabel,
		GatewayLabel, OrphanDependentsAnnotation, SandboxFinalizer,
	} {
		assert.Regexp(t, `^sandbox\.agents\.x-k8s\.io/[a-z-]+$`, key)
	}
}
