// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	sandboxv1beta1 "agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// TestExamplesAreSpelledRight decodes each example as strictly as the server does.
func TestExamplesAreSpelledRight(t *testing.T) {
	scheme := runtime.NewScheme()
	require.NoError(t, sandboxv1beta1.AddToScheme(scheme))
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	root, err := binaries.FindRoot(".")
	require.NoError(t, err)
	files, err := filepath.Glob(root.Join(examplesDirectory, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)

	kinds := map[string]int{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		_, kind, err := decoder.Decode(raw, nil, nil)
		require.NoError(t, err, filepath.Base(file))
		kinds[kind.Kind]++
	}
	for _, kind := range []string{"Sandbox", "SandboxTemplate", "SandboxWarmPool", "SandboxClaim"} {
		assert.NotZero(t, kinds[kind], "there is an example of a %s", kind)
	}
}

func TestClaimsAreMadeLast(t *testing.T) {
	others, claims := claimsLast([]string{"a/claim.yaml", "a/sandbox.yaml", "a/warm-claim.yaml", "a/claims-pool.yaml"})
	assert.Equal(t, []string{"a/sandbox.yaml", "a/claims-pool.yaml"}, others)
	assert.Equal(t, []string{"a/claim.yaml", "a/warm-claim.yaml"}, claims)
}
