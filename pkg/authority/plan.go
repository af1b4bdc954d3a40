// SPDX-License-Identifier: Apache-2.0

package authority

import "time"

// action is one step on the way; the Secret is written after each.
type action string

const (
	// none leaves the Secret as it is.
	none action = "none"
	// begin makes the next authority and adds it to the bundle. It uses up the administrator's demand.
	begin action = "begin"
	// mark records that the bundle with the next authority is published.
	mark action = "mark"
	// unmark takes that back: somebody has published something else.
	unmark action = "unmark"
	// promote makes the next authority the signer.
	promote action = "promote"
	// retire takes the old authority out of the bundle.
	retire action = "retire"
	// replace makes an authority that signs at once: the old one has expired, nothing trusts it any more.
	replace action = "replace"
)

// decision is what to do now or, with none, when to look again.
type decision struct {
	action action
	after  time.Duration
}

// shareLeft is the part of its life, 1/5, that an authority has left when its rotation begins.
const shareLeft = 5

// askEvery is how often it is asked whether the bundle has been published.
const askEvery = time.Second

// plan decides the next step. published tells whether the bundle of s is what clients are given; it only counts while there
// is a next authority.
func plan(s *state, published bool, spread time.Duration, now time.Time) decision {
	signer := s.signer.certificate
	switch {
	case !now.Before(signer.NotAfter):
		return decision{action: replace}
	case s.next != nil:
		return planNext(s, published, spread, now)
	case s.previous != nil:
		return at(s.retireAt, retire, now)
	case s.demanded != "" && s.demanded != s.rotated:
		return decision{action: begin}
	}
	return at(signer.NotAfter.Add(-signer.NotAfter.Sub(signer.NotBefore)/shareLeft), begin, now)
}

func planNext(s *state, published bool, spread time.Duration, now time.Time) decision {
	switch {
	case !published && !s.publishedAt.IsZero():
		return decision{action: unmark}
	case !published:
		return decision{action: none, after: askEvery}
	case s.publishedAt.IsZero():
		return decision{action: mark}
	}
	due := s.publishedAt.Add(spread)
	// A next authority that an administrator has put in does not push out one that leaves may still be of.
	if s.previous != nil && s.retireAt.After(due) {
		due = s.retireAt
	}
	return at(due, promote, now)
}

// at is the action when its time has come.
func at(due time.Time, what action, now time.Time) decision {
	if now.Before(due) {
		return decision{action: none, after: due.Sub(now)}
	}
	return decision{action: what}
}
