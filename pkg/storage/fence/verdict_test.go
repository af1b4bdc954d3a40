// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const (
	oldCluster = 0xa
	newCluster = 0xb
)

func at(epoch string, beat, revision int64) Position {
	return Position{Epoch: epoch, Beat: beat, Revision: revision, Cluster: oldCluster}
}

func stored(p Position, replaced ...string) Store { return Store{Position: p, Replaced: replaced} }

func marked(p Position) Mark { return Mark{Position: p, exists: true} }

func elsewhere(p Position) Position {
	p.Cluster = newCluster
	return p
}

func TestJudge(t *testing.T) {
	empty, none := stored(Position{Revision: 1, Cluster: oldCluster}), Mark{}
	for name, c := range map[string]struct {
		Situation
		reason Reason
		step   step
	}{
		"first start":                      {Situation{Store: empty, Mark: none}, NotVerified, stepBegin},
		"first start, a flag too many":     {Situation{Store: empty, Mark: none, Confirm: "a"}, NotVerified, stepBegin},
		"first start on an etcd with data": {Situation{Store: stored(Position{Revision: 900, Cluster: oldCluster}), Mark: none}, NotVerified, stepBegin},
		"crash after the epoch":            {Situation{Store: stored(at("a", 1, 2)), Mark: none}, "", stepRecord},

		"as recorded":              {Situation{Store: stored(at("a", 5, 90)), Mark: marked(at("a", 5, 90))}, "", stepNone},
		"further than recorded":    {Situation{Store: stored(at("a", 6, 99)), Mark: marked(at("a", 5, 90))}, "", stepNone},
		"crash between two beats":  {Situation{Store: stored(at("a", 6, 91)), Mark: marked(at("a", 5, 90))}, "", stepNone},
		"main cluster restored":    {Situation{Store: stored(at("a", 60, 9000)), Mark: marked(at("a", 5, 90))}, "", stepNone},
		"ConfigMap deleted":        {Situation{Store: stored(at("a", 5, 90)), Mark: none}, "", stepRecord},
		"ConfigMap deleted, known": {Situation{Store: stored(at("a", 5, 90)), Mark: none, Seen: at("a", 5, 88)}, "", stepRecord},
		"cluster id unknown then":  {Situation{Store: stored(at("a", 5, 90)), Mark: marked(Position{Epoch: "a", Beat: 5, Revision: 90})}, "", stepNone},

		"etcd empty":                    {Situation{Store: empty, Mark: marked(at("a", 5, 90))}, EpochMissing, stepNone},
		"etcd empty, other data":        {Situation{Store: stored(Position{Revision: 900, Cluster: oldCluster}), Mark: marked(at("a", 5, 90))}, EpochMissing, stepNone},
		"another etcd":                  {Situation{Store: stored(at("b", 9, 900)), Mark: marked(at("a", 5, 90))}, EpochDiffers, stepNone},
		"rewound by revision":           {Situation{Store: stored(at("a", 5, 89)), Mark: marked(at("a", 5, 90))}, Rewound, stepNone},
		"rewound by beat":               {Situation{Store: stored(at("a", 4, 89)), Mark: marked(at("a", 5, 90))}, Rewound, stepNone},
		"rewound, revisions bumped":     {Situation{Store: stored(at("a", 4, 1000000090)), Mark: marked(at("a", 5, 90))}, Rewound, stepNone},
		"a copy":                        {Situation{Store: stored(elsewhere(at("a", 5, 1000000090))), Mark: marked(at("a", 5, 90))}, EtcdReplaced, stepNone},
		"restored to before a confirm":  {Situation{Store: stored(at("a", 9, 900)), Mark: marked(at("b", 5, 90))}, EpochDiffers, stepNone},
		"a replaced epoch is not ours":  {Situation{Store: stored(at("b", 9, 900), "c"), Mark: marked(at("a", 5, 90))}, EpochDiffers, stepNone},
		"wiped with its ConfigMap":      {Situation{Store: empty, Mark: none, Seen: at("a", 5, 90)}, EpochMissing, stepNone},
		"another and no ConfigMap":      {Situation{Store: stored(at("b", 9, 900)), Mark: none, Seen: at("a", 5, 90)}, EpochDiffers, stepNone},
		"rewound by less than a beat":   {Situation{Store: stored(at("a", 5, 95)), Mark: marked(at("a", 5, 90)), Seen: at("a", 5, 97)}, Rewound, stepNone},
		"rewound by a beat, no mark":    {Situation{Store: stored(at("a", 4, 1000)), Mark: none, Seen: at("a", 5, 97)}, Rewound, stepNone},
		"replaced under a process":      {Situation{Store: stored(elsewhere(at("a", 5, 99))), Mark: none, Seen: at("a", 5, 97)}, EtcdReplaced, stepNone},
		"confirmed elsewhere meanwhile": {Situation{Store: stored(at("b", 6, 99), "a"), Mark: marked(at("b", 6, 99)), Seen: at("a", 5, 97)}, EpochDiffers, stepNone},

		"confirmed, empty":         {Situation{Store: empty, Mark: marked(at("a", 5, 90)), Confirm: "a"}, NotVerified, stepConfirm},
		"confirmed, another":       {Situation{Store: stored(at("b", 9, 900)), Mark: marked(at("a", 5, 90)), Confirm: "a"}, NotVerified, stepConfirm},
		"confirmed, rewound":       {Situation{Store: stored(at("a", 4, 89)), Mark: marked(at("a", 5, 90)), Confirm: "a"}, NotVerified, stepConfirm},
		"confirmed, a copy":        {Situation{Store: stored(elsewhere(at("a", 5, 99))), Mark: marked(at("a", 5, 90)), Confirm: "a"}, NotVerified, stepConfirm},
		"confirmed what is there":  {Situation{Store: stored(at("b", 9, 900)), Mark: marked(at("a", 5, 90)), Confirm: "b"}, EpochDiffers, stepNone},
		"half confirmed":           {Situation{Store: stored(at("b", 6, 9), "a"), Mark: marked(at("a", 5, 90))}, "", stepRecord},
		"half confirmed, flag":     {Situation{Store: stored(at("b", 6, 9), "a"), Mark: marked(at("a", 5, 90)), Confirm: "a"}, "", stepRecord},
		"flag left, all is well":   {Situation{Store: stored(at("b", 6, 9), "a"), Mark: marked(at("b", 6, 9)), Confirm: "a"}, "", stepNone},
		"flag left, lost again":    {Situation{Store: empty, Mark: marked(at("b", 6, 9)), Confirm: "a"}, EpochMissing, stepNone},
		"flag left, first restore": {Situation{Store: stored(at("a", 4, 89)), Mark: marked(at("b", 6, 9)), Confirm: "a"}, EpochDiffers, stepNone},
		"flag without need":        {Situation{Store: stored(at("a", 5, 90)), Mark: marked(at("a", 5, 90)), Confirm: "a"}, "", stepNone},
		"flag, but served before":  {Situation{Store: stored(at("a", 4, 80)), Mark: marked(at("a", 5, 90)), Seen: at("a", 5, 97), Confirm: "a"}, Rewound, stepNone},
		"complete, a copy":         {Situation{Store: stored(elsewhere(at("a", 5, 99))), Mark: marked(at("a", 5, 90)), Confirm: "a", Complete: "a"}, NotVerified, stepConfirm},
		"complete, but empty":      {Situation{Store: empty, Mark: marked(at("a", 5, 90)), Confirm: "a", Complete: "a"}, EpochMissing, stepNone},
		"complete, but another":    {Situation{Store: stored(at("b", 9, 900)), Mark: marked(at("a", 5, 90)), Confirm: "a", Complete: "a"}, EpochDiffers, stepNone},
		"complete, but behind":     {Situation{Store: stored(elsewhere(at("a", 4, 1000000090))), Mark: marked(at("a", 5, 90)), Confirm: "a", Complete: "a"}, Rewound, stepNone},
		"complete, not confirmed":  {Situation{Store: stored(elsewhere(at("a", 5, 99))), Mark: marked(at("a", 5, 90)), Complete: "a"}, EtcdReplaced, stepNone},
		"complete, flags left":     {Situation{Store: stored(at("b", 6, 9), "a"), Mark: marked(at("b", 6, 9)), Confirm: "a", Complete: "a"}, "", stepNone},
		"complete, another time":   {Situation{Store: stored(at("b", 4, 89)), Mark: marked(at("b", 5, 90)), Confirm: "b", Complete: "a"}, NotVerified, stepConfirm},
		"old ConfigMap restored":   {Situation{Store: stored(at("c", 9, 900), "b", "a"), Mark: marked(at("a", 5, 90))}, "", stepRecord},
	} {
		got := Judge(c.Situation)
		assert.Equal(t, c.reason, got.Reason, name)
		assert.Equal(t, c.step, got.step, name)
		assert.Equal(t, c.reason == "", got.Message == "", name)
		assert.Equal(t, strings.HasPrefix(name, "complete, but"), got.contradicts, name)
	}
}

func TestConfirmedRemembersWhatItReplaces(t *testing.T) {
	c := confirmation{epoch: "c", complete: true}
	s := stored(at("b", 9, 900), "z", "a")
	assert.Equal(t, record{Epoch: "c", Beat: 13, Replaced: []string{"a", "b", "z"}}, s.confirmed(marked(at("a", 12, 90)), c))
	assert.Equal(t, record{Epoch: "c", Beat: 6, Replaced: []string{"a"}}, Store{}.confirmed(marked(at("a", 5, 90)), c))

	s.Replaced = []string{"1", "2", "3", "4", "5", "6", "7", "8"}
	assert.Len(t, s.confirmed(marked(at("a", 5, 90)), c).Replaced, replacedKept)
}

func TestConfirmedRemembersTheLatestLoss(t *testing.T) {
	earlier := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	now := earlier.Add(time.Hour + 300*time.Millisecond)
	for name, c := range map[string]struct {
		before   time.Time
		beat     time.Time
		complete bool
		want     time.Time
	}{
		"the first":                     {time.Time{}, earlier, false, now.Truncate(time.Second)},
		"one more":                      {earlier, time.Time{}, false, now.Truncate(time.Second)},
		"one that a clock puts earlier": {now.Add(time.Minute).Truncate(time.Second), earlier, false, now.Add(time.Minute).Truncate(time.Second)},
		"of a clock that is behind":     {earlier, now.Add(time.Hour), false, now.Add(time.Hour).Truncate(time.Second)},
		"a move":                        {time.Time{}, earlier, true, time.Time{}},
		"a move, by a clock that lags":  {time.Time{}, now.Add(time.Hour), true, time.Time{}},
		"a move after a loss":           {earlier, earlier, true, earlier},
	} {
		p := at("a", 5, 90)
		p.LossConfirmed = c.before
		mark := marked(p)
		mark.written = c.beat
		r := stored(p).confirmed(mark, confirmation{epoch: "b", at: now, complete: c.complete})
		assert.Equal(t, c.want, r.LossConfirmed, name)
		assert.Equal(t, now, r.Created, name)
	}
	p := at("a", 5, 90)
	p.LossConfirmed = earlier
	assert.Equal(t, earlier, stored(p).next().LossConfirmed, "a beat keeps it")
}

func TestRaisedMark(t *testing.T) {
	for name, c := range map[string]struct {
		mark   Mark
		seen   Position
		want   Position
		needed bool
	}{
		"nothing seen":       {marked(at("a", 5, 90)), Position{}, at("a", 5, 90), false},
		"no ConfigMap":       {Mark{}, at("a", 5, 97), at("a", 5, 97), true},
		"nobody knows":       {Mark{}, Position{}, Position{}, false},
		"seen further":       {marked(at("a", 5, 90)), at("a", 5, 97), at("a", 5, 97), true},
		"seen another beat":  {marked(at("a", 5, 90)), at("a", 6, 97), at("a", 6, 97), true},
		"recorded further":   {marked(at("a", 7, 120)), at("a", 6, 97), at("a", 7, 120), false},
		"confirmed since":    {marked(at("b", 7, 12)), at("a", 6, 97), at("b", 7, 12), false},
		"the cluster stays":  {marked(elsewhere(at("a", 5, 90))), at("a", 6, 97), elsewhere(at("a", 6, 97)), true},
		"never back by half": {marked(at("a", 7, 90)), at("a", 6, 97), at("a", 7, 97), true},
	} {
		got, needed := c.mark.raised(c.seen)
		assert.Equal(t, c.needed, needed, name)
		assert.Equal(t, c.want, got.Position, name)
	}
}

func TestBeatDue(t *testing.T) {
	for name, c := range map[string]struct {
		store Store
		want  bool
	}{
		"nothing since":           {Store{Position: at("a", 1, 10), modRevision: 10}, false},
		"a write":                 {Store{Position: at("a", 1, 11), modRevision: 10}, true},
		"compaction alone":        {Store{Position: at("a", 1, 13), modRevision: 10, housekeeping: 7, housekeepingWas: 4}, false},
		"compaction and a write":  {Store{Position: at("a", 1, 14), modRevision: 10, housekeeping: 7, housekeepingWas: 4}, true},
		"compaction begun afresh": {Store{Position: at("a", 1, 13), modRevision: 10, housekeeping: 1, housekeepingWas: 4}, true},
	} {
		assert.Equal(t, c.want, c.store.beatDue(), name)
	}
}
