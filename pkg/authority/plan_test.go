// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// living is an authority of 100 hours that has so many of them left at noon.
func living(left time.Duration) *pair {
	return &pair{certificate: &x509.Certificate{NotBefore: noon.Add(left - 100*time.Hour), NotAfter: noon.Add(left)}}
}

func TestPlan(t *testing.T) {
	const spread = time.Minute
	for name, test := range map[string]struct {
		state       state
		unpublished bool
		want        decision
	}{
		"young":                               {state: state{signer: living(90 * time.Hour)}, want: decision{action: none, after: 70 * time.Hour}},
		"a fifth of its life is left":         {state: state{signer: living(20 * time.Hour)}, want: decision{action: begin}},
		"demanded":                            {state: state{signer: living(90 * time.Hour), demanded: "b", rotated: "a"}, want: decision{action: begin}},
		"the demand is used up":               {state: state{signer: living(90 * time.Hour), demanded: "a", rotated: "a"}, want: decision{action: none, after: 70 * time.Hour}},
		"the demand was taken back":           {state: state{signer: living(90 * time.Hour), rotated: "a"}, want: decision{action: none, after: 70 * time.Hour}},
		"expired":                             {state: state{signer: living(0)}, want: decision{action: replace}},
		"expired in the middle of a rotation": {state: state{signer: living(0), next: living(90 * time.Hour), publishedAt: noon}, want: decision{action: replace}},
		"next is not published": {
			state: state{signer: living(90 * time.Hour), next: living(100 * time.Hour)}, unpublished: true,
			want: decision{action: none, after: askEvery},
		},
		"next has just been published": {
			state: state{signer: living(90 * time.Hour), next: living(100 * time.Hour)},
			want:  decision{action: mark},
		},
		"next is spreading": {
			state: state{signer: living(90 * time.Hour), next: living(100 * time.Hour), publishedAt: noon.Add(-time.Second)},
			want:  decision{action: none, after: spread - time.Second},
		},
		"next was overwritten while spreading": {
			state:       state{signer: living(90 * time.Hour), next: living(100 * time.Hour), publishedAt: noon.Add(-time.Second)},
			unpublished: true, want: decision{action: unmark},
		},
		"next has spread, but was overwritten": {
			state:       state{signer: living(90 * time.Hour), next: living(100 * time.Hour), publishedAt: noon.Add(-spread)},
			unpublished: true, want: decision{action: unmark},
		},
		"next has spread": {
			state: state{signer: living(90 * time.Hour), next: living(100 * time.Hour), publishedAt: noon.Add(-spread)},
			want:  decision{action: promote},
		},
		"next has spread, but leaves of the one before are in use": {
			state: state{
				signer: living(90 * time.Hour), next: living(100 * time.Hour), publishedAt: noon.Add(-spread),
				previous: living(50 * time.Hour).certificate, retireAt: noon.Add(time.Hour),
			},
			want: decision{action: none, after: time.Hour},
		},
		"leaves of the old one are in use": {
			state: state{signer: living(90 * time.Hour), previous: living(50 * time.Hour).certificate, retireAt: noon.Add(time.Hour)},
			want:  decision{action: none, after: time.Hour},
		},
		"a demand waits for the old one to leave": {
			state: state{signer: living(90 * time.Hour), previous: living(50 * time.Hour).certificate, retireAt: noon.Add(time.Hour), demanded: "b"},
			want:  decision{action: none, after: time.Hour},
		},
		"no leaf of the old one is left": {
			state: state{signer: living(90 * time.Hour), previous: living(50 * time.Hour).certificate, retireAt: noon},
			want:  decision{action: retire},
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, plan(&test.state, !test.unpublished, spread, noon))
		})
	}
}

// issued is a leaf: who signed it, and when it ends.
type issued struct {
	by  *x509.Certificate
	end time.Time
}

// TestRotationIsNeverUntrusted turns a whole rotation by the clock and looks, after every step, whether each leaf that may
// be in use is trusted by each bundle that may be in use.
func TestRotationIsNeverUntrusted(t *testing.T) {
	const spread, leafLife = time.Minute, time.Hour
	m := maker{commonName: "test", lifetime: 100 * time.Hour, leaves: leafLife + spread}
	now := noon
	s, err := m.first(now)
	require.NoError(t, err)
	s.demanded = "now"

	leaves := []issued{{s.signer.certificate, now.Add(leafLife)}}
	// What is trusted: the bundle of before is still in use for spread after a change.
	trusted := [][]*x509.Certificate{s.authorities()}
	first, changed := s.signer.certificate, now
	var steps []action
	for len(steps) == 0 || steps[len(steps)-1] != retire {
		decided := plan(s, true, spread, now)
		if decided.action == none {
			now = now.Add(min(decided.after, spread/4))
		} else {
			steps = append(steps, decided.action)
			s, err = m.apply(s, decided.action, now)
			require.NoError(t, err)
			trusted, changed = append(trusted, s.authorities()), now
		}
		if now.Sub(changed) >= spread {
			trusted = trusted[len(trusted)-1:]
		}
		leaves = append(leaves, issued{s.signer.certificate, now.Add(leafLife)})
		leaves = slices.DeleteFunc(leaves, func(leaf issued) bool { return !now.Before(leaf.end) })
		for _, leaf := range leaves {
			for _, bundle := range trusted {
				require.Contains(t, bundle, leaf.by, "at %s after %v", now.Sub(noon), steps)
			}
		}
	}
	assert.Equal(t, []action{begin, mark, promote, retire}, steps)
	assert.NotEqual(t, first, s.signer.certificate)
	assert.Len(t, s.authorities(), 1)
	assert.Equal(t, "now", s.rotated)
}

func TestPromotionDoesNotChangeTheBundle(t *testing.T) {
	m := maker{commonName: "test", lifetime: time.Hour}
	s, err := m.first(noon)
	require.NoError(t, err)
	s, err = m.apply(s, begin, noon.Add(time.Second))
	require.NoError(t, err)
	promoted, err := m.apply(s, promote, noon.Add(time.Minute))
	require.NoError(t, err)
	assert.Equal(t, string(s.bundle()), string(promoted.bundle()))
}

func TestReplaceUsesTheDemandUp(t *testing.T) {
	m := maker{commonName: "test", lifetime: 100 * time.Hour}
	s, err := m.apply(&state{signer: living(0), demanded: "b", reconnects: 3}, replace, noon)
	require.NoError(t, err)
	assert.Equal(t, none, plan(s, true, time.Minute, noon).action)
	assert.EqualValues(t, 3, s.reconnects)
}
