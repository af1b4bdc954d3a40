// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	utilversion "k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/util/compatibility"
)

func TestVersionOf(t *testing.T) {
	built := func(version string) *debug.BuildInfo { return &debug.BuildInfo{Main: debug.Module{Version: version}} }
	for name, c := range map[string]struct {
		release string
		info    *debug.BuildInfo
		want    string
	}{
		"a release":             {"v0.1.0", built("(devel)"), "v0.1.0"},
		"built from a checkout": {"", built("v0.0.0-20260102030405-0123456789ab+dirty"), "v0.0.0-20260102030405-0123456789ab+dirty"},
		"installed by its tag":  {"", built("v0.2.0"), "v0.2.0"},
		"without a repository":  {"", built("(devel)"), unknownVersion},
		"nothing is known":      {"", nil, unknownVersion},
	} {
		got := versionOf(c.release, c.info)
		assert.Equal(t, c.want, got, name)
		_, err := utilversion.ParseSemantic(got)
		assert.NoError(t, err, name)
	}
}

func TestVersionFlag(t *testing.T) {
	command := NewCommand(t.Context())
	var out bytes.Buffer
	command.SetOut(&out)
	command.SetArgs([]string{"--version"})
	require.NoError(t, command.Execute())
	assert.Equal(t, "sandbox-apiserver "+currentVersion()+"\n", out.String())

	out.Reset()
	command.SetArgs([]string{"--help"})
	require.NoError(t, command.Execute())
	assert.Contains(t, out.String(), "--version")
}

// TestVersionDecidesNothing: libraries go on emulating the Kubernetes that they are of.
func TestVersionDecidesNothing(t *testing.T) {
	stock := compatibility.DefaultBuildEffectiveVersion()
	own := ownVersion{stock}
	assert.Equal(t, currentVersion(), own.Info().GitVersion)
	assert.Equal(t, stock.Info().Minor, own.Info().Minor)
	assert.Equal(t, stock.EmulationVersion(), own.EmulationVersion())
	assert.True(t, own.EqualTo(stock))
}
