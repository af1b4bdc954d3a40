// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const header = "package p\n\nimport base \"k8s.io/component-base/metrics\"\n"

func collected(t *testing.T, source string) ([]metric, error) {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "p.go"), []byte(header+source), 0o600))
	// A test may define what it likes.
	require.NoError(t, os.WriteFile(filepath.Join(folder, "p_test.go"), []byte("nonsense"), 0o600))
	return collect(folder)
}

func TestCollect(t *testing.T) {
	found, err := collected(t, `
const prefix = "sandbox" + "_apiserver"

var (
	seconds = base.NewHistogramVec(&base.HistogramOpts{
		Namespace: prefix, Subsystem: "a", Name: "seconds", Help: "How " + "long.", StabilityLevel: base.BETA,
	}, []string{"x", prefix})
	many = base.NewCounter(&base.CounterOpts{Namespace: prefix, Name: "many_total", Help: "Many.", StabilityLevel: base.ALPHA})
)

func describe() { _ = base.NewDesc(prefix+"_few", "Few.", nil, nil, base.STABLE, "") }
`)
	require.NoError(t, err)
	assert.Equal(t, []metric{
		{name: "sandbox_apiserver_a_seconds", kind: "histogram", help: "How long.", stability: "BETA", labels: []string{"x", "sandbox_apiserver"}},
		{name: "sandbox_apiserver_few", kind: "gauge", help: "Few.", stability: "STABLE"},
		{name: "sandbox_apiserver_many_total", kind: "counter", help: "Many.", stability: "ALPHA"},
	}, found)
}

func TestCollectRefuses(t *testing.T) {
	one := func(options string) string { return "var x = base.NewGauge(&base.GaugeOpts{" + options + "})" }
	const good = `Name: "sandbox_apiserver_x", Help: "X.", StabilityLevel: base.ALPHA`
	tests := map[string]struct{ source, want string }{
		"another prefix":   {one(`Name: "x", Help: "X.", StabilityLevel: base.ALPHA`), "must begin with sandbox_apiserver_"},
		"no stability":     {one(`Name: "sandbox_apiserver_x", Help: "X."`), "must say its stability"},
		"no help":          {one(`Name: "sandbox_apiserver_x", StabilityLevel: base.ALPHA`), "help must be sentences"},
		"a gauge in total": {one(`Name: "sandbox_apiserver_x_total", Help: "X.", StabilityLevel: base.ALPHA`), "counters end with _total"},
		"twice":            {one(good) + "\n" + strings.Replace(one(good), "var x", "var y", 1), "defined twice"},
		"a name that is made at run time": {
			`func f(name string) { _ = base.NewGauge(&base.GaugeOpts{Name: name, Help: "X.", StabilityLevel: base.ALPHA}) }`, "write metrics out",
		},
		"options from elsewhere": {`func f(o *base.GaugeOpts) { _ = base.NewGauge(o) }`, "write metrics out"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := collected(t, test.source)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestDocumentationIsUpToDate(t *testing.T) {
	t.Chdir("../..")
	found, err := collect("pkg", "cmd")
	require.NoError(t, err)
	var want strings.Builder
	write(&want, found)
	have, err := os.ReadFile("docs/metrics.md")
	require.NoError(t, err)
	assert.Equal(t, want.String(), string(have), "run hack/update-codegen.sh")
}
