// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"time"
)

// period is a time during which something was so of one thing.
type period struct {
	thing      string
	begin, end time.Time
}

func (p period) covers(other period) bool {
	return !p.begin.After(other.begin) && !p.end.Before(other.end)
}

func (p period) meets(other period) bool {
	return !p.begin.After(other.end) && !other.begin.After(p.end)
}

func (p period) wider() period {
	return period{p.thing, p.begin.Add(-margin), p.end.Add(margin)}
}

// periods collects, by a key such as a pool, when something was so of many things.
type periods struct {
	ended map[string][]period
	open  map[string]opened // by UID
}

type opened struct {
	key string
	period
}

func newPeriods() *periods {
	return &periods{ended: map[string][]period{}, open: map[string]opened{}}
}

// begin notes that it is so from now on, unless it has been.
func (p *periods) begin(key, uid, thing string, at time.Time) {
	if _, is := p.open[uid]; !is {
		p.open[uid] = opened{key, period{thing: thing, begin: at}}
	}
}

// end notes that it is so no more, if it was.
func (p *periods) end(uid string, at time.Time) {
	was, is := p.open[uid]
	if !is {
		return
	}
	delete(p.open, uid)
	was.end = at
	p.ended[was.key] = append(p.ended[was.key], was.period)
}

// of are all periods of a key, those that have not ended too.
func (p *periods) of(key string) []period {
	all := p.ended[key]
	for _, o := range p.open {
		if o.key == key {
			o.end = o.begin.Add(farAway)
			all = append(slices.Clip(all), o.period)
		}
	}
	return all
}

// farAway is later than the end of any record.
const farAway = 1000 * time.Hour
