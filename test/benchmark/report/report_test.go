// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/measure"
)

func sample(n int, base time.Duration) []measure.Call {
	calls := make([]measure.Call, n)
	for i := range calls {
		calls[i] = measure.Call{Start: time.Duration(i) * time.Second, Took: base + time.Duration(i)*time.Microsecond}
	}
	return calls
}

func exampleRun(base time.Duration) *Run {
	result := &Result{Scenario: "claim", About: "One claim."}
	result.AddCalls("claim", append(sample(30, base), measure.Call{Err: errors.New("too | late")}))
	result.AddFigure("claims", 12, "per second")
	result.AddRatio("p50", "claim ÷ ConfigMap", 1, 9, 2)
	result.Curves = []Curve{{Name: "memory", XLabel: "stored", YLabel: "MiB", Points: []Point{{1, 2}, {3, 4}}}}
	return &Run{Machine: Machine{Scale: 1}, Results: []*Result{result}}
}

func TestLimits(t *testing.T) {
	two := 2.0
	for name, test := range map[string]struct {
		limit Limit
		value float64
		want  bool
	}{
		"below most":  {Limit{Most: &two}, 1.9, true},
		"at most":     {Limit{Most: &two}, 2, true},
		"above most":  {Limit{Most: &two}, 2.1, false},
		"above least": {Limit{Least: &two}, 2.1, true},
		"below least": {Limit{Least: &two}, 1.9, false},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, test.limit.Holds(test.value)) })
	}
	one := 1.0
	assert.Equal(t, []string{"claim/p50 is 2.00, must be ≤ 1"}, Limits{"claim/p50": {Most: &one}}.Missed(exampleRun(time.Millisecond)))
	assert.Empty(t, Limits{"claim/p50": {Most: &two}, "unknown": {Least: &two}}.Missed(exampleRun(time.Millisecond)))
}

func TestReadLimits(t *testing.T) {
	limits, err := ReadLimits("../limits.yaml")
	require.NoError(t, err)
	assert.NotEmpty(t, limits)
	for name, content := range map[string]string{
		"a typing error": "a/b: {mots: 2}", "no bound": "a/b: {}", "two bounds": "a/b: {most: 1, least: 1}",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "limits.yaml")
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			_, err := ReadLimits(path)
			require.ErrorContains(t, err, path)
		})
	}
}

func TestMarkdown(t *testing.T) {
	one := 1.0
	page := &bytes.Buffer{}
	require.NoError(t, WriteMarkdown(page, exampleRun(time.Millisecond), Limits{"claim/p50": {Most: &one}}))
	assert.Contains(t, page.String(), "| `claim/p50`: claim ÷ ConfigMap | 2.00 | ≤ 1 | **missed** |", "the median of the rounds")
	assert.Contains(t, page.String(), "| claim | 30 | 1.01 | 1.03 | 1.03 | 1.03 | 1 too / late |")
	assert.NotContains(t, page.String(), "trial")

	trial := exampleRun(time.Millisecond)
	trial.Machine.Scale = 0.1
	require.NoError(t, WriteMarkdown(page, trial, nil))
	assert.Contains(t, page.String(), "its figures mean nothing")
}

func TestPlots(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, WritePlots(dir, exampleRun(time.Millisecond)))
	for _, name := range []string{"claim-distribution.svg", "claim-course.svg", "claim-curve-0.svg"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Contains(t, string(raw), "<svg")
	}
}

func TestCompare(t *testing.T) {
	same := Compare(exampleRun(time.Millisecond), exampleRun(time.Millisecond))
	require.Len(t, same, 1)
	assert.False(t, same[0].Significant)
	slower := Compare(exampleRun(time.Millisecond), exampleRun(2*time.Millisecond))
	assert.True(t, slower[0].Significant)
	assert.Greater(t, slower[0].New, slower[0].Old)

	page := &bytes.Buffer{}
	require.NoError(t, WriteComparison(page, exampleRun(time.Millisecond), exampleRun(2*time.Millisecond)))
	assert.Contains(t, page.String(), "+98.6%")
}
