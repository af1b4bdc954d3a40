// SPDX-License-Identifier: Apache-2.0

package warmpool

import "time"

const (
	minReplaceDelay = 10 * time.Second
	maxReplaceDelay = 5 * time.Minute

	minCreateDelay = time.Second
	maxCreateDelay = time.Minute
)

// brake slows down the replacement of failing members: what fails for a reason that
// a new Sandbox does not cure would else be made and deleted for ever. The zero value
// is open.
type brake struct {
	// round is when members were last replaced.
	round time.Time
	// delay is how long that has to show success.
	delay time.Duration
}

// wait is how long the next round has to wait; zero or less if it need not.
func (b brake) wait(proven bool, now time.Time) time.Duration {
	if proven {
		return 0
	}
	return b.round.Add(b.delay).Sub(now)
}

// next is the brake after a round that begins now.
func (b brake) next(proven bool, now time.Time) brake {
	if proven {
		return brake{round: now, delay: minReplaceDelay}
	}
	return brake{round: now, delay: min(2*b.delay, maxReplaceDelay)}
}

// proven says whether the last round is known to have helped: a member that was made
// since then is Ready. Nothing needs a proof before the first round.
func (b brake) proven(members []member) bool {
	if b.round.IsZero() {
		return true
	}
	since := b.round.Truncate(time.Second) // as creationTimestamps are
	for i := range members {
		if members[i].health == healthy && !members[i].created.Before(since) {
			return true
		}
	}
	return false
}

// backoff slows down creates that are refused. The zero value is open.
type backoff struct {
	// subject is what was tried: what depends on something else may be tried at once.
	subject string
	// message is why it was refused.
	message string
	delay   time.Duration
	until   time.Time
}

// failed is the backoff after a refusal.
func (b backoff) failed(subject, message string, now time.Time) backoff {
	delay := minCreateDelay
	if b.subject == subject {
		delay = min(max(2*b.delay, minCreateDelay), maxCreateDelay)
	}
	return backoff{subject: subject, message: message, delay: delay, until: now.Add(delay)}
}

// wait is how long the next try has to wait; zero or less if it need not.
func (b backoff) wait(subject string, now time.Time) time.Duration {
	if b.subject != subject {
		return 0
	}
	return b.until.Sub(now)
}

// problem is why the subject was refused last; empty if it was not.
func (b backoff) problem(subject string) string {
	if b.subject != subject {
		return ""
	}
	return b.message
}
