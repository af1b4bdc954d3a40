// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/util/intstr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// see makes what a sync observes of a pool whose template is newTemplate("v1").
func see(replicas int, groups ...[]*v1beta1.Sandbox) observed {
	template := newTemplate("v1")
	seen := observed{
		replicas:  replicas,
		strategy:  v1beta1.SandboxWarmPoolUpdateStrategy{Type: v1beta1.OnReplenishStrategy},
		blueprint: blueprint{template, render.TemplateHash(template)},
	}
	for _, group := range groups {
		for _, sandbox := range group {
			seen.members = append(seen.members, memberOf(sandbox, seen.blueprint, now))
		}
	}
	return seen
}

func (o observed) with(strategy v1beta1.SandboxWarmPoolUpdateStrategy) observed {
	o.strategy = strategy
	return o
}

func (o observed) expecting(sure int, unsure ...string) observed {
	o.sure, o.unsure = sure, unsure
	return o
}

func (o observed) withoutTemplate() observed {
	o.blueprint = blueprint{}
	for i := range o.members {
		o.members[i].stale = false
	}
	return o
}

func (o observed) after(b brake) observed {
	o.replacements = b
	return o
}

// text is a plan on one line: what goes and why, in order, and how many come.
func (p plan) text() string {
	var words []string
	for _, r := range p.remove {
		words = append(words, fmt.Sprintf("-%s(%s)", strings.TrimPrefix(r.name, "warm-"), r.why))
	}
	if p.create > 0 {
		words = append(words, fmt.Sprintf("+%d", p.create))
	}
	return strings.Join(words, " ")
}

func TestFillAndShrink(t *testing.T) {
	tests := map[string]struct {
		seen observed
		want string
	}{
		"empty":                   {see(3), "+3"},
		"none asked for":          {see(0), ""},
		"full":                    {see(2, members(1, 2, isUp)), ""},
		"drawn from":              {see(3, members(1, 2, isUp)), "+1"},
		"on its way":              {see(3, members(1, 2, isUp), members(3, 1)), ""},
		"expected":                {see(3, members(1, 1, isUp)).expecting(2), ""},
		"partly expected":         {see(5, members(1, 1, isUp)).expecting(2), "+2"},
		"perhaps expected":        {see(3, members(1, 1, isUp)).expecting(0, "warm-x"), "+2"},
		"more expected than room": {see(1).expecting(3), ""},
		"to zero":                 {see(0, members(1, 2, isUp)), "-2(surplus) -1(surplus)"},
		"the youngest go":         {see(2, members(1, 4, isUp)), "-4(surplus) -3(surplus)"},
		"the unready go first":    {see(2, members(1, 1, isDown), members(2, 2, isUp)), "-1(surplus)"},
		"then the stale":          {see(2, members(1, 1, isUp, isOld), members(2, 2, isUp)), "-1(surplus)"},
		"unready before stale":    {see(2, members(1, 1, isUp, isOld), members(2, 1, isUp), members(3, 1, isUnschedulable)), "-3(surplus)"},
		"what cannot run before what is starting": {
			see(1, members(1, 1), members(2, 1, isUnschedulable), members(3, 1, hasEnded), members(4, 1, isDown)),
			"-3(surplus) -4(surplus) -2(surplus)",
		},
		"expected ones count": {see(2, members(1, 2, isUp)).expecting(1), "-2(surplus)"},
		"perhaps ones do not": {see(2, members(1, 2, isUp)).expecting(0, "warm-x"), ""},
		"before the loss is over": {func() observed {
			seen := see(3, members(1, 1, isUp))
			seen.early = true
			return seen
		}(), ""},
		"no template, no fill":  {see(3, members(1, 1, isUp)).withoutTemplate(), ""},
		"no template, a shrink": {see(1, members(1, 2, isUp)).withoutTemplate(), "-2(surplus)"},
		"no template, failures": {see(1, members(1, 1, hasEnded)).withoutTemplate(), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			plan := decide(test.seen, now)
			assert.Equal(t, test.want, plan.text())
			assert.Equal(t, test.want != "", plan.writes())
		})
	}
}

func TestTemplateChange(t *testing.T) {
	two := rolling(intstr.FromInt32(2))
	tests := map[string]struct {
		seen observed
		want string
	}{
		"OnReplenish keeps the stale":       {see(2, members(1, 2, isUp, isOld)), ""},
		"OnReplenish fills with new ones":   {see(3, members(1, 2, isUp, isOld)), "+1"},
		"Recreate replaces all at once":     {see(3, members(1, 2, isUp, isOld), members(3, 1, isUp)).with(recreate), "-2(stale) -1(stale) +2"},
		"Recreate spares the others":        {see(2, members(1, 2, isUp)).with(recreate), ""},
		"Recreate without template":         {see(2, members(1, 2, isUp, isOld)).with(recreate).withoutTemplate(), ""},
		"Rolling takes a few":               {see(5, members(1, 5, isUp, isOld)).with(two), "-5(stale) -4(stale) +2"},
		"Rolling waits for them":            {see(5, members(1, 3, isUp, isOld), members(6, 2)).with(two), ""},
		"Rolling waits for what is drawn":   {see(5, members(1, 3, isUp, isOld)).with(two), "+2"},
		"Rolling goes on with each":         {see(5, members(1, 3, isUp, isOld), members(6, 1, isUp), members(7, 1)).with(two), "-3(stale) +1"},
		"Rolling ends":                      {see(5, members(1, 1, isUp, isOld), members(6, 4, isUp)).with(two), "-1(stale) +1"},
		"Rolling takes the unready freely":  {see(4, members(1, 2, isUp, isOld), members(3, 2, isDown, isOld)).with(two), "-4(stale) -3(stale) +2"},
		"Rolling takes unschedulable stale": {see(2, members(1, 2, isUnschedulable, isOld)).with(two), "-2(stale) -1(stale) +2"},
		"Rolling keeps to a bad template":   {see(4, members(1, 2, isUp, isOld), members(5, 2, isRefused)).with(two), ""},
		"Rolling shrinks first":             {see(2, members(1, 3, isUp, isOld)).with(rolling(intstr.FromInt32(1))), "-3(surplus) -2(stale) +1"},
		"Rolling counts what is expected":   {see(4, members(1, 2, isUp, isOld)).with(two).expecting(2), ""},
		"Rolling spares what lags":          {see(4, members(1, 4, isUp, isOld, isLagging)).with(rolling(intstr.FromInt32(1))), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, decide(test.seen, now).text())
		})
	}
}

func TestMaxUnavailable(t *testing.T) {
	tests := map[string]struct {
		strategy v1beta1.SandboxWarmPoolUpdateStrategy
		replicas int
		want     int
	}{
		"number":            {rolling(intstr.FromInt32(3)), 10, 3},
		"percent":           {rolling(intstr.FromString("30%")), 10, 3},
		"rounded down":      {rolling(intstr.FromString("25%")), 10, 2},
		"at least one":      {rolling(intstr.FromString("25%")), 3, 1},
		"never none":        {rolling(intstr.FromInt32(0)), 10, 1},
		"all":               {rolling(intstr.FromString("100%")), 10, 10},
		"the default":       {v1beta1.SandboxWarmPoolUpdateStrategy{Type: v1beta1.RollingUpdateStrategy}, 8, 2},
		"what nobody lets":  {rolling(intstr.FromString("many")), 10, 1},
		"an empty pool":     {rolling(intstr.FromString("25%")), 0, 1},
		"more than it has":  {rolling(intstr.FromInt32(20)), 10, 20},
		"one percent of 99": {rolling(intstr.FromString("1%")), 99, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, maxUnavailable(test.strategy, test.replicas))
		})
	}
}

func TestFailingMembers(t *testing.T) {
	round := brake{round: now.Add(-15 * time.Second), delay: 20 * time.Second}
	tests := map[string]struct {
		seen  observed
		want  string
		held  int
		again time.Duration
	}{
		"finished":            {see(2, members(1, 1, isUp), members(2, 1, hasEnded)), "-2(finished) +1", 0, 0},
		"stuck":               {see(2, members(1, 1, isUp), members(2, 1, isDown)), "-2(stuck) +1", 0, 0},
		"within the grace":    {see(1, members(1, 1, aged(time.Minute), isDown)), "", 0, unreadyGrace - time.Minute + time.Second},
		"a quarter at once":   {see(8, members(1, 8, hasEnded)), "-8(finished) -7(finished) +2", 6, 0},
		"at least one":        {see(3, members(1, 3, hasEnded)), "-3(finished) +1", 2, 0},
		"the ended first":     {see(4, members(1, 2, hasEnded), members(3, 2, isDown)), "-2(finished) +1", 3, 0},
		"unschedulable":       {see(2, members(1, 2, isUnschedulable)), "", 0, 0},
		"whose Pod is barred": {see(2, members(1, 2, isRefused)), "", 0, 0},
		"not begun":           {see(2, members(1, 2)), "", 0, 0},
		"the last did not help": {
			see(2, members(1, 1, isUp), members(2, 1, aged(10*time.Second), hasEnded)).after(round), "", 1, 5 * time.Second,
		},
		"the last did help": {
			see(2, members(1, 1, hasEnded), members(2, 1, aged(15*time.Second), isUp)).after(round), "-1(finished) +1", 0, 0,
		},
		"it has been tried long ago": {
			see(1, members(1, 1, hasEnded)).after(brake{round: now.Add(-time.Hour), delay: maxReplaceDelay}), "-1(finished) +1", 0, 0,
		},
		"a surplus waits for nothing": {see(1, members(1, 1, isUp), members(2, 1, hasEnded)).after(round), "-2(surplus)", 0, 0},
		"nor does what is stale":      {see(1, members(1, 1, hasEnded, isOld)).with(recreate).after(round), "-1(stale) +1", 0, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			plan := decide(test.seen, now)
			assert.Equal(t, test.want, plan.text())
			assert.Equal(t, test.held, plan.held)
			assert.Equal(t, test.again, plan.requeueAfter)
		})
	}
}

// The plan must not depend on the order of the cache, which is random.
func TestPlanDoesNotDependOnOrder(t *testing.T) {
	seen := see(4, members(1, 2, isUp), members(3, 2, isUp, isOld), members(5, 2, hasEnded), members(7, 2, isDown))
	want := decide(seen, now).text()
	for range 20 {
		for i := range seen.members { // a rotation
			seen.members[0], seen.members[i] = seen.members[i], seen.members[0]
		}
		assert.Equal(t, want, decide(seen, now).text())
	}
}

func TestBrake(t *testing.T) {
	b := brake{}
	assert.True(t, b.proven(nil), "nothing to prove yet")
	b = b.next(b.proven(nil), now)
	assert.Equal(t, minReplaceDelay, b.wait(b.proven(nil), now))

	var delays []time.Duration
	at := now
	for range 6 {
		at = at.Add(b.delay)
		assert.LessOrEqual(t, b.wait(b.proven(nil), at), time.Duration(0))
		b = b.next(b.proven(nil), at)
		delays = append(delays, b.delay/time.Second)
	}
	assert.Equal(t, []time.Duration{20, 40, 80, 160, 300, 300}, delays)

	young := see(0, members(1, 1, aged(now.Sub(at)), isUp)).members
	assert.True(t, b.proven(young), "one that was made after the round is Ready")
	assert.Zero(t, b.wait(b.proven(young), at))
	assert.Equal(t, minReplaceDelay, b.next(b.proven(young), at).delay)
}

func TestBackoff(t *testing.T) {
	b := backoff{}
	assert.LessOrEqual(t, b.wait("1/a", now), time.Duration(0))
	var delays []time.Duration
	for range 8 {
		b = b.failed("1/a", "quota", now)
		delays = append(delays, b.wait("1/a", now)/time.Second)
	}
	assert.Equal(t, []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}, delays)
	assert.Equal(t, "quota", b.problem("1/a"))
	assert.LessOrEqual(t, b.wait("1/a", now.Add(time.Minute)), time.Duration(0))

	assert.Zero(t, b.wait("2/a", now), "the pool has changed: that may help")
	assert.Empty(t, b.problem("2/a"))
	assert.Equal(t, minCreateDelay, b.failed("2/a", "quota", now).delay)
}
