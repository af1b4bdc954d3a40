// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/scenario"
)

func TestSelectedScenarios(t *testing.T) {
	all, err := runOptions{long: true}.selected()
	require.NoError(t, err)
	assert.Len(t, all, len(scenario.Catalog()))

	usual, err := runOptions{}.selected()
	require.NoError(t, err)
	assert.Less(t, len(usual), len(all))

	one, err := runOptions{scenarios: []string{"pools-large"}}.selected()
	require.NoError(t, err)
	require.Len(t, one, 1)
	assert.Equal(t, "pools-large", one[0].Name)

	_, err = runOptions{scenarios: []string{"none"}}.selected()
	require.ErrorContains(t, err, `no scenario "none"`)
}

func TestScenariosHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenario.Catalog() {
		assert.False(t, seen[s.Name], s.Name)
		assert.NotEmpty(t, s.About, s.Name)
		seen[s.Name] = true
	}
}
