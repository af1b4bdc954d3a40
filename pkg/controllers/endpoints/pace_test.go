// SPDX-License-Identifier: Apache-2.0

package endpoints

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func TestPace(t *testing.T) {
	for name, test := range map[string]struct {
		took, since, want time.Duration
	}{
		"at once after a quick one":      {time.Millisecond, 0, minInterval},
		"a little later":                 {time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond},
		"long after":                     {time.Millisecond, time.Minute, 0},
		"a sync takes its share":         {100 * time.Millisecond, 0, 2 * time.Second},
		"the share of a long one passes": {100 * time.Millisecond, 3 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var p pace
			assert.Zero(t, p.wait("team", now), "nothing was synced yet")
			p.done("team", nil, now.Add(-test.took), now)
			assert.Equal(t, test.want, p.wait("team", now.Add(test.since)))
			assert.Zero(t, p.wait("other", now.Add(test.since)), "a namespace does not wait for another")
			p.forget("team")
			assert.Zero(t, p.wait("team", now))
		})
	}
}

func TestPaceKnowsWhatWasLookedAt(t *testing.T) {
	var p pace
	assert.False(t, p.has("team", "uid-1"))
	p.done("team", sets.New[types.UID]("uid-1"), now, now)
	assert.True(t, p.has("team", "uid-1"))
	assert.False(t, p.has("team", "uid-2"))
	p.done("team", sets.New[types.UID]("uid-2"), now, now)
	assert.False(t, p.has("team", "uid-1"), "only the last sync counts")
}
