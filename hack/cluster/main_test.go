// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUnsettled(t *testing.T) {
	const (
		ready     = `{"kind":"Sandbox","metadata":{"name":"up"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`
		suspended = `{"kind":"Sandbox","metadata":{"name":"rest"},"spec":{"operatingMode":"Suspended"},"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"Suspended","status":"True"}]}}`
		finished  = `{"kind":"Sandbox","metadata":{"name":"done"},"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"Finished","status":"True"}]}}`
		template  = `{"kind":"SandboxTemplate","metadata":{"name":"template"}}`
		full      = `{"kind":"SandboxWarmPool","metadata":{"name":"full"},"status":{"conditions":[{"type":"Available","status":"True"}]}}`
		filling   = `{"kind":"SandboxWarmPool","metadata":{"name":"filling"},"status":{"conditions":[{"type":"Available","status":"False","reason":"ReplicasNotReady","message":"0 of 2"}]}}`
		bound     = `{"kind":"SandboxClaim","metadata":{"name":"bound"},"status":{"conditions":[{"type":"Bound","status":"True"}]}}`
		waiting   = `{"kind":"SandboxClaim","metadata":{"name":"waiting"}}`
		starting  = `{"kind":"Sandbox","metadata":{"name":"slow"},"status":{"conditions":[{"type":"Ready","status":"False","reason":"DependenciesNotReady","message":"no node"}]}}`
		unseen    = `{"kind":"Sandbox","metadata":{"name":"new"}}`
		closing   = `{"kind":"Sandbox","metadata":{"name":"closing"},"spec":{"operatingMode":"Suspended"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`
	)
	list := func(items ...string) []byte { return []byte(`{"items":[` + strings.Join(items, ",") + `]}`) }

	reasons, err := unsettled(list(ready, suspended, finished, template, full, bound))
	require.NoError(t, err)
	assert.Empty(t, reasons)

	reasons, err = unsettled(list(ready, starting, unseen, closing, filling, waiting))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"Sandbox closing: no condition Suspended yet",
		"Sandbox new: no condition Ready yet",
		"Sandbox slow: Ready is False: DependenciesNotReady: no node",
		"SandboxClaim waiting: no condition Bound yet",
		"SandboxWarmPool filling: Available is False: ReplicasNotReady: 0 of 2",
	}, reasons)

	reasons, err = unsettled([]byte(waiting)) // kubectl makes no list of one
	require.NoError(t, err)
	assert.Len(t, reasons, 1)

	_, err = unsettled([]byte("<html>"))
	require.Error(t, err)
}

func TestNextStepsAreThreeLines(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(nextSteps("/c/kubeconfig", "/c/bin/kubectl"), "\n"), "\n")
	require.Len(t, lines, 3)
	assert.Equal(t, "export KUBECONFIG=/c/kubeconfig", lines[0])
	assert.Contains(t, lines[1], "| /c/bin/kubectl create --raw /apis/")
	assert.Contains(t, lines[2], "/c/bin/kubectl explain")
}

func TestCommandsAreThoseOfTheMakefile(t *testing.T) {
	var visible []string
	for _, sub := range command().Commands() {
		if !sub.Hidden {
			visible = append(visible, sub.Name())
		}
	}
	assert.ElementsMatch(t, []string{"build", "up", "status", "down"}, visible)
}
