// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// Why a member is deleted. The values are part of the metric.
const (
	whySurplus  = "surplus"
	whyStale    = "stale"
	whyFinished = "finished"
	whyStuck    = "stuck"
)

// replaceShare is the part of a pool, one in so many, that is replaced in one round
// because it fails.
const replaceShare = 4

// earlyRetry is when a pool that may not make members yet is looked at again: the second of
// a loss is over then, if clocks agree.
const earlyRetry = time.Second

// observed is what a sync saw of one pool. It is read only.
type observed struct {
	replicas int
	strategy v1beta1.SandboxWarmPoolUpdateStrategy
	blueprint
	// members are neither claimed nor being deleted.
	members []member
	// expected are creations that the cache has not shown: those that exist, and the
	// names of those that may. oldest is the time of the first of either.
	sure   int
	unsure []string
	oldest time.Time
	// withheld are those that would be members, had they not been made before a loss of the
	// store. early says that what is made now would be one of them.
	withheld int
	early    bool

	replacements brake
}

// missing is how many members have to be made when some are deleted, those included
// that may exist. If even they are too many, none: it is not known which to ask for. None
// either as long as they would not count.
func (o observed) missing(deleted []removal) int {
	if o.early {
		return 0
	}
	vacated := 0
	for i := range deleted {
		if !deleted[i].mayReturn {
			vacated++
		}
	}
	missing := o.replicas - (len(o.members) - vacated) - o.sure
	if missing < len(o.unsure) {
		return 0
	}
	return max(missing, 0)
}

// plan is everything that one sync will write to Sandboxes, and why.
type plan struct {
	remove []removal
	// create is how many members are to be made when all of remove are deleted. One
	// that may exist is asked for again, under its name.
	create int
	// replaces says that remove begins a round of replacements.
	replaces bool
	// held are the failing members that have to wait for the next round.
	held int
	// requeueAfter is when the passing of time alone changes the plan.
	requeueAfter time.Duration
}

type removal struct {
	member
	why string
}

// decide says what is to be done for a pool that was seen so.
func decide(seen observed, now time.Time) plan {
	var p plan
	left, surplus := seen.members, len(seen.members)+seen.sure-seen.replicas
	if surplus > 0 || slices.ContainsFunc(left, seen.mayGo) { // a large pool is sorted only if it matters
		left = slices.Clone(left)
		slices.SortFunc(left, byUse)
	}
	left = p.shrink(left, surplus)
	if seen.template != nil {
		left = p.replaceStale(left, seen)
		left = p.replaceFailing(left, seen, now)
		p.create = seen.missing(p.remove)
	}
	if seen.early {
		p.lookAgainAfter(earlyRetry)
	}
	for i := range left {
		if at := left[i].stuckAt; at.After(now) {
			p.lookAgainAfter(at.Sub(now))
		}
	}
	return p
}

// mayGo says whether a member may have to be replaced.
func (o observed) mayGo(m member) bool {
	return isFailing(m) || m.stale && o.strategy.Type != v1beta1.OnReplenishStrategy
}

// byUse puts first what is of the least use: what is not Ready, then what is stale,
// then the youngest, since claims take the oldest.
func byUse(a, b member) int {
	return cmp.Or(
		cmp.Compare(a.health, b.health),
		compareBool(b.stale, a.stale),
		b.created.Compare(a.created),
		cmp.Compare(b.name, a.name),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// lookAgainAfter keeps the earliest time.
func (p *plan) lookAgainAfter(delay time.Duration) {
	if p.requeueAfter == 0 || delay < p.requeueAfter {
		p.requeueAfter = delay
	}
}

// writes says whether the plan changes any Sandbox.
func (p plan) writes() bool { return len(p.remove) > 0 || p.create > 0 }

// shrink removes the surplus from the members of least use, and returns the others.
func (p *plan) shrink(members []member, surplus int) []member {
	count := min(max(surplus, 0), len(members))
	for _, m := range members[:count] {
		p.remove = append(p.remove, removal{m, whySurplus})
	}
	return members[count:]
}

// replaceStale removes what the strategy does not keep, and returns the others.
func (p *plan) replaceStale(members []member, seen observed) []member {
	switch seen.strategy.Type {
	case v1beta1.RecreateStrategy:
		return p.removeIf(members, func(m member) (bool, string) { return m.stale, whyStale })
	case v1beta1.RollingUpdateStrategy:
		// What is not healthy serves nobody, so it may go; of the others only as many
		// as may be missing.
		spare := count(members, isReady) - (seen.replicas - maxUnavailable(seen.strategy, seen.replicas))
		return p.removeIf(members, func(m member) (bool, string) {
			if m.stale && m.health == healthy {
				spare--
			}
			return m.stale && (m.health != healthy || spare >= 0), whyStale
		})
	default:
		return members
	}
}

// replaceFailing removes what will not become Ready any more, a part of the pool at a
// time, and returns the others.
func (p *plan) replaceFailing(members []member, seen observed, now time.Time) []member {
	p.held = count(members, isFailing)
	if p.held == 0 {
		return members
	}
	proven := seen.replacements.proven(seen.members)
	if wait := seen.replacements.wait(proven, now); wait > 0 {
		p.lookAgainAfter(wait)
		return members
	}
	left := (seen.replicas + replaceShare - 1) / replaceShare
	p.replaces = true
	return p.removeIf(members, func(m member) (bool, string) {
		if !isFailing(m) || left == 0 {
			return false, ""
		}
		left--
		p.held--
		if m.health == finished {
			return true, whyFinished
		}
		return true, whyStuck
	})
}

// removeIf asks for each member in turn, and returns those that stay.
func (p *plan) removeIf(members []member, goes func(member) (bool, string)) []member {
	var left []member
	for _, m := range members {
		if yes, why := goes(m); yes {
			p.remove = append(p.remove, removal{m, why})
		} else {
			left = append(left, m)
		}
	}
	return left
}

func isReady(m member) bool { return m.ready }

func isFailing(m member) bool { return m.health == finished || m.health == stuck }

func count(members []member, counts func(member) bool) int {
	n := 0
	for i := range members {
		if counts(members[i]) {
			n++
		}
	}
	return n
}

// maxUnavailable is how many replicas may be missing in a rolling update, at least
// one: there is no surge, so with none the update would never move. Percentages are
// rounded down, as those of a Deployment.
func maxUnavailable(strategy v1beta1.SandboxWarmPoolUpdateStrategy, replicas int) int {
	wanted := intstr.FromString("25%")
	if strategy.RollingUpdate != nil {
		wanted = ptr.Deref(strategy.RollingUpdate.MaxUnavailable, wanted)
	}
	const roundUp = false
	number, err := intstr.GetScaledValueFromIntOrPercent(&wanted, replicas, roundUp)
	if err != nil { // validation lets none of those through
		return 1
	}
	return max(number, 1)
}
