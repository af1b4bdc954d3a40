// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"fmt"
	"slices"
	"time"
)

// Reason says why the gate is closed. Green has none.
type Reason string

const (
	// NotVerified means: there is no verdict, or none that is recent enough.
	NotVerified Reason = "NotVerified"
	// EpochMissing means: etcd has no epoch and should; it is empty as a rule.
	EpochMissing Reason = "EpochMissing"
	// EpochDiffers means: etcd has had another life than the one that is recorded.
	EpochDiffers Reason = "EpochDiffers"
	// EtcdReplaced means: the epoch is in another etcd cluster, hence in a copy, and nothing
	// shows that a copy is complete.
	EtcdReplaced Reason = "EtcdReplaced"
	// Rewound means: etcd is in a state that it had before.
	Rewound Reason = "Rewound"
)

// Position is how far an etcd has come. Numbers only grow within an epoch.
type Position struct {
	// Epoch is empty where nothing is recorded.
	Epoch    string
	Beat     int64
	Revision int64
	// Cluster is the id that etcd gives itself, 0 when it is unknown.
	Cluster uint64
	// LossConfirmed is when an administrator last confirmed that something was lost, in whole
	// seconds; zero if nobody ever did. It is the same all through an epoch.
	LossConfirmed time.Time
}

// Store is what was read from etcd, at one revision.
type Store struct {
	Position
	// Replaced are the epochs that confirmations ended, the last one first.
	Replaced []string
	// Created is when the epoch began.
	Created time.Time

	// modRevision is that of our key, housekeeping how often the key was written whose
	// writes do not count, now and when our key was.
	modRevision                   int64
	housekeeping, housekeepingWas int64
}

// Mark is what was read from the ConfigMap.
type Mark struct {
	Position
	// exists says that there is a ConfigMap; version is its resourceVersion.
	exists  bool
	version string
	// written is when it was last written, by the clock of kube-apiserver; zero if that is
	// not recorded.
	written time.Time
}

// Situation is all that a verdict depends on.
type Situation struct {
	Store Store
	Mark  Mark
	// Seen is the furthest that this process has seen while it was green; the zero
	// value before that.
	Seen Position
	// Confirm is the recorded epoch that an administrator declares replaced; Complete is it
	// once more where nothing is lost by that.
	Confirm, Complete string
}

// step is what to write before the next look.
type step int

const (
	stepNone step = iota
	// stepBegin: write a first epoch into etcd.
	stepBegin
	// stepRecord: make the ConfigMap say what etcd says.
	stepRecord
	// stepConfirm: write a new epoch into etcd that replaces the recorded one.
	stepConfirm
)

// Verdict is green when Reason is empty.
type Verdict struct {
	Reason  Reason
	Message string

	step step
	// contradicts says that the administrator has called complete what cannot be.
	contradicts bool
}

// Judge decides. A verdict that is not green is one of EpochMissing, EpochDiffers,
// EtcdReplaced and Rewound, or NotVerified as long as there is something to write.
func Judge(s Situation) Verdict {
	recorded := s.Mark.Epoch
	if recorded == "" {
		recorded = s.Seen.Epoch
	}
	// The ConfigMap is behind when it was not written after etcd was, or was restored.
	behind := s.Store.Epoch != "" && slices.Contains(s.Store.Replaced, s.Mark.Epoch)
	switch {
	case s.Store.Epoch == "" && recorded == "":
		return Verdict{Reason: NotVerified, Message: "the first epoch has not been written yet", step: stepBegin}
	case s.Store.Epoch == "":
		return s.red(EpochMissing, fmt.Sprintf("etcd has no epoch, %s is recorded: it is empty, or another one", recorded))
	case s.Mark.exists && s.Mark.Epoch != s.Store.Epoch && !behind:
		return s.red(EpochDiffers, fmt.Sprintf("etcd has the epoch %s, %s is recorded: it is another one, or was restored from before a confirmation", s.Store.Epoch, recorded))
	case s.Mark.Epoch == s.Store.Epoch:
		if v := s.behind(s.Mark.Position, "the recorded"); v.Reason != "" {
			return v
		}
	}
	if s.Seen.Epoch != "" && s.Seen.Epoch != s.Store.Epoch {
		return s.red(EpochDiffers, fmt.Sprintf("etcd has the epoch %s, and had %s before: this process may have read from another etcd", s.Store.Epoch, s.Seen.Epoch))
	}
	if v := s.behind(s.Seen, "what this process has seen:"); v.Reason != "" {
		return v
	}
	if behind || !s.Mark.exists {
		return Verdict{step: stepRecord}
	}
	return Verdict{}
}

// behind compares etcd with a position in the same epoch.
func (s Situation) behind(p Position, whose string) Verdict {
	switch {
	case s.Store.Beat < p.Beat:
		return s.red(Rewound, fmt.Sprintf("etcd is at beat %d, behind %s beat %d: it was restored from a backup", s.Store.Beat, whose, p.Beat))
	case s.Store.Revision < p.Revision:
		return s.red(Rewound, fmt.Sprintf("etcd is at revision %d, behind %s revision %d: it was restored from a backup", s.Store.Revision, whose, p.Revision))
	case p.Cluster != 0 && s.Store.Cluster != 0 && s.Store.Cluster != p.Cluster:
		return s.red(EtcdReplaced, fmt.Sprintf("the etcd cluster is %x, not %s cluster %x: it is a copy, and nothing shows that it is complete", s.Store.Cluster, whose, p.Cluster))
	}
	return Verdict{}
}

// red is confirmed by a flag that names what is recorded, unless this process has
// served already: the flag is for a state that the administrator has looked at. That
// nothing is lost is believed of a copy alone: what is known of the others says that
// something is.
func (s Situation) red(reason Reason, message string) Verdict {
	switch {
	case s.Confirm == "" || s.Confirm != s.Mark.Epoch || s.Seen.Epoch != "":
		return Verdict{Reason: reason, Message: message}
	case s.Complete == s.Confirm && reason != EtcdReplaced:
		return Verdict{Reason: reason, Message: message, contradicts: true}
	}
	return Verdict{Reason: NotVerified, Message: "confirmed, but not written yet: " + message, step: stepConfirm}
}

// advanced is the furthest of two positions in one epoch.
func (p Position) advanced(to Position) Position {
	if p.Epoch != to.Epoch {
		return to
	}
	to.Beat, to.Revision = max(p.Beat, to.Beat), max(p.Revision, to.Revision)
	return to
}

// raised is the mark with what this process has seen and the mark does not say.
// Without it a rewind by less than a beat would be forgotten with the process.
func (m Mark) raised(seen Position) (Mark, bool) {
	if seen.Epoch == "" || m.exists && (m.Epoch != seen.Epoch || m.Beat >= seen.Beat && m.Revision >= seen.Revision) {
		return m, false
	}
	cluster := seen.Cluster
	if m.exists {
		cluster = m.Cluster
	}
	m.Position = m.advanced(seen)
	m.Cluster = cluster
	return m, true
}

// beatDue says whether there were writes since the last beat, housekeeping aside.
func (s Store) beatDue() bool {
	return s.Revision-s.modRevision > s.housekeeping-s.housekeepingWas
}
