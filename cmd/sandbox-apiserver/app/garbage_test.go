// SPDX-License-Identifier: Apache-2.0

package app

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCollectionPercent(t *testing.T) {
	const mebibyte = 1 << 20
	for name, c := range map[string]struct {
		live uint64
		want int
	}{
		"before the first collection":     {0, 400},
		"a byte":                          {1, 400},
		"a small server":                  {40 * mebibyte, 400},
		"where the spare begins to count": {64 * mebibyte, 400},
		"less with more":                  {128 * mebibyte, 200},
		"as Go has it":                    {256 * mebibyte, 100},
		"50,000 Sandboxes":                {500 * mebibyte, 51},
		"never less than half":            {8192 * mebibyte, 50},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, collectionPercent(c.live)) })
	}
}

func TestPaceOnce(t *testing.T) {
	original := debug.SetGCPercent(123)
	defer debug.SetGCPercent(original)
	runtime.GC() // or nothing is known to be live
	paceOnce()
	assert.Equal(t, mostPercent, debug.SetGCPercent(mostPercent-5), "a test has little on its heap")
	paceOnce()
	assert.Equal(t, mostPercent-5, debug.SetGCPercent(original), "not for a small difference")
}

func TestTheEnvironmentDecides(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "123")
			original := debug.SetGCPercent(123)
			paceCollections(t.Context()) // returns, or the test never ends
			assert.Equal(t, 123, debug.SetGCPercent(original))
		})
	}
}
