// SPDX-License-Identifier: Apache-2.0

package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTurn(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		place, of int
		now       time.Duration
		begin     time.Duration
	}{
		"at its beginning":                 {0, 3, 0, 0},
		"within it":                        {0, 3, 59 * time.Second, 0},
		"half over":                        {0, 3, time.Minute, 6 * time.Minute},
		"of another one":                   {1, 3, 0, 2 * time.Minute},
		"of the last one":                  {2, 3, 0, 4 * time.Minute},
		"the last one within it":           {2, 3, 4*time.Minute + time.Second, 4 * time.Minute},
		"the last one, over":               {2, 3, 5 * time.Minute, 10 * time.Minute},
		"the only one has all of the time": {0, 1, 30 * time.Second, 0},
		"of five":                          {4, 5, time.Minute, 8 * time.Minute},
	} {
		begin, end := turn(c.place, c.of, noon.Add(c.now))
		assert.Equal(t, noon.Add(c.begin), begin, name)
		assert.Equal(t, begin.Add(turnEach/2), end, name)
	}
}

// TestTurnsKeepApart: whoever waits since when, no two members may end within a half turn.
func TestTurnsKeepApart(t *testing.T) {
	const of = 3
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 1000 {
		now = now.Add(7 * time.Second)
		type minutes struct{ begin, end time.Time }
		var all [of]minutes
		for place := range of {
			all[place].begin, all[place].end = turn(place, of, now)
			assert.True(t, all[place].end.After(now))
			assert.LessOrEqual(t, all[place].begin.Sub(now), of*turnEach, "a turn comes in every round")
		}
		for a := range of {
			for b := range a {
				gap := max(all[a].begin.Sub(all[b].end), all[b].begin.Sub(all[a].end))
				assert.GreaterOrEqual(t, gap, turnEach/2, "%v: %v and %v", now, all[a], all[b])
			}
		}
	}
}
