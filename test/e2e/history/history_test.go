// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// at is a moment of a history, in seconds.
func at(second float64) time.Time { return start.Add(time.Duration(second * float64(time.Second))) }

// story writes histories by hand: each call of a method is a write or a call, and time
// goes on by a second with each revision.
type story struct{ Record }

func tell() *story {
	return &story{Record{Deletions: map[string]time.Time{}, Replicas: map[string]int{"pool": 1}}}
}

func (s *story) now() time.Time { return at(float64(s.revision())) }

func (s *story) revision() int64 {
	if len(s.Writes) == 0 {
		return 0
	}
	return s.Writes[len(s.Writes)-1].Revision
}

// check is Check of a story in which somebody whose answer was lost has made each claim.
func (s *story) check() []string {
	return s.made("C").made("D").made("E").Check()
}

// made is an acknowledgement of the first write of a claim, unless there is one.
func (s *story) made(uid string) *story {
	of := func(w Write) bool { return w.Claim != nil && w.Claim.UID == uid }
	first := slices.IndexFunc(s.Writes, of)
	if first < 0 || slices.ContainsFunc(s.Calls, func(c Call) bool { return c.Answer.UID == uid }) {
		return s
	}
	w := s.Writes[first]
	s.Calls = append(s.Calls, Call{
		Door: PoolDoor, Claim: w.Claim.Name, Pool: w.Claim.Pool, Begin: w.Seen.Add(-time.Second), End: w.Seen,
		Outcome: Acknowledged, Answer: Answer{UID: uid, Sandbox: w.Claim.Sandbox, Revision: w.Revision},
	})
	return s
}

// tx writes objects at one revision.
func (s *story) tx(objects ...any) *story {
	next := s.revision() + 1
	for _, object := range objects {
		w := Write{Revision: next, Seen: at(float64(next))}
		switch o := object.(type) {
		case gone:
			w.Gone, w.Sandbox, w.Claim = true, o.sandbox, o.claim
		case Sandbox:
			w.Sandbox = &o
		case Claim:
			w.Claim = &o
		}
		s.Writes = append(s.Writes, w)
	}
	return s
}

type gone struct {
	sandbox *Sandbox
	claim   *Claim
}

func goes(object any) gone {
	switch o := object.(type) {
	case Sandbox:
		return gone{sandbox: &o}
	case Claim:
		return gone{claim: &o}
	}
	return gone{}
}

// ask says that a client asks for the end of claim C now.
func (s *story) ask() *story {
	s.Deletions["C"] = s.now()
	return s
}

// call lasts for half a second from now on.
func (s *story) call(c Call) *story {
	if c.Door == "" {
		c.Door = PoolDoor
	}
	c.Claim, c.Pool = "c", "pool"
	if c.Begin.IsZero() {
		c.Begin = s.now()
	}
	c.End = c.Begin.Add(time.Second / 2)
	s.Calls = append(s.Calls, c)
	return s
}

// told is an acknowledgement of what is stored at a revision.
func told(uid, sandbox string, revision int64) Call {
	return Call{Outcome: Acknowledged, Answer: Answer{UID: uid, Sandbox: sandbox, Revision: revision}}
}

// wait lets time pass, as an empty transaction elsewhere would.
func (s *story) wait(seconds int) *story {
	for range seconds {
		s.tx(Sandbox{Name: "other", UID: "o"})
	}
	return s
}

var (
	free   = Sandbox{Name: "s", UID: "S", Pool: "pool", Ready: true}
	held   = Sandbox{Name: "s", UID: "S", Claim: "C", Ready: true}
	spare  = Sandbox{Name: "t", UID: "T", Pool: "pool", Ready: true}
	spared = Sandbox{Name: "t", UID: "T", Claim: "C", Ready: true}
	waits  = Claim{Name: "c", UID: "C", Pool: "pool"}
	has    = Claim{Name: "c", UID: "C", Pool: "pool", Sandbox: "s"}
	rival  = Claim{Name: "d", UID: "D", Pool: "pool", Sandbox: "s"}
	again  = Claim{Name: "c", UID: "E", Pool: "pool", Sandbox: "t"}
)

func by(s Sandbox, claim string) Sandbox {
	s.Pool, s.Claim = "", claim
	return s
}

func ending(s Sandbox) Sandbox {
	s.Ending = true
	return s
}

func TestGoodHistories(t *testing.T) {
	for name, s := range map[string]*story{
		"warm":                   tell().tx(free).tx(has, held).call(told("C", "s", 2)).tx(spare),
		"cold":                   tell().tx(has, held).call(told("C", "s", 1)),
		"waiting, then served":   tell().tx(waits).call(told("C", "", 1)).tx(free).tx(held, has).call(told("C", "s", 3)),
		"a lost answer":          tell().tx(free).call(Call{Outcome: Unknown}).tx(has, held).call(told("C", "s", 2)),
		"followed":               tell().tx(has, held).tx(held).tx(has).call(told("C", "s", 1)).call(told("C", "s", 3)),
		"deleted":                tell().tx(has, held).ask().tx(goes(has)).tx(ending(held)).tx(goes(held)),
		"made anew":              tell().tx(has, held).ask().tx(goes(has)).tx(goes(held)).tx(again, by(spare, "E")).call(told("E", "t", 4)),
		"a member replaced":      tell().tx(free).tx(ending(free)).tx(spare).tx(goes(free)),
		"the same name, 409":     tell().tx(has, held).call(Call{Outcome: Refused, Code: 409, Door: ClaimsDoor}),
		"another spec, 409":      tell().tx(has, held).call(Call{Outcome: Refused, Code: 409, OtherSpec: true}),
		"nothing free, 429":      tell().wait(9).call(Call{Outcome: Refused, Code: 429}).wait(9),
		"just freed, 429":        tell().wait(9).tx(free).call(Call{Outcome: Refused, Code: 429}).wait(9),
		"taken at once, 409":     tell().tx(free).wait(9).call(Call{Outcome: Refused, Code: 409, Door: SandboxesDoor, Sandbox: "s"}).tx(has, held),
		"set aside, 429":         tell().tx(free).tx(waits).wait(9).call(Call{Outcome: Refused, Code: 429}).wait(9).tx(has, held),
		"somebody tries it, 429": tell().tx(free).wait(9).call(Call{Outcome: Refused, Code: 429}).call(Call{Outcome: Unknown}).wait(9),
		"another one free, 409":  tell().tx(free).wait(9).call(Call{Outcome: Refused, Code: 409, Door: SandboxesDoor, Sandbox: "t"}).wait(9),
	} {
		assert.Empty(t, s.check(), name)
	}
}

func TestBadHistories(t *testing.T) {
	for name, c := range map[string]struct {
		story *story
		says  string
	}{
		"held twice":               {tell().tx(free).tx(has, held).tx(rival, by(held, "D")), "went from claim C to \"D\""},
		"given back":               {tell().tx(free).tx(has, held).tx(free), "went from claim C to \"\""},
		"two Sandboxes":            {tell().tx(has, held).tx(spared), "holds Sandbox t (T) and had Sandbox S"},
		"two, under one name":      {tell().tx(has, held).tx(Sandbox{Name: "s", UID: "T", Claim: "C"}), "had Sandbox S"},
		"another Sandbox":          {tell().tx(has, held).tx(Claim{Name: "c", UID: "C", Sandbox: "t"}), "claim c went from Sandbox s to \"t\""},
		"half: no claim":           {tell().tx(free).tx(held), "Sandbox s is held by claim C"},
		"half: no Sandbox":         {tell().tx(free).tx(has), "claim c has Sandbox s, what holds it"},
		"half: the claim later":    {tell().tx(free).tx(held).tx(has), "revision 2: Sandbox s is held by claim C"},
		"half: the claim waits on": {tell().tx(free, waits).tx(held), "Sandbox s is held by claim C"},
		"half: another's":          {tell().tx(free, waits).tx(has, by(held, "D")), "claim c has Sandbox s, what holds it"},
		"not ready":                {tell().tx(Sandbox{Name: "s", UID: "S", Pool: "pool"}).tx(has, held), "was not available"},
		"no member":                {tell().tx(Sandbox{Name: "s", UID: "S", Ready: true}).tx(has, held), "was not available"},
		"on its way out":           {tell().tx(ending(free)).tx(has, held), "was not available"},
		"too many members":         {tell().tx(free).tx(spare).tx(goes(free)), "revision 2: pool pool has 2 members, asked were 1"},
		"lost claim":               {tell().tx(has, held).tx(goes(has)).tx(goes(held)), "went without having been deleted"},
		"gone before asked":        {tell().tx(has, held).tx(goes(has)).wait(1).ask().tx(goes(held)), "went without having been deleted"},
		"lost Sandbox":             {tell().tx(has, held).tx(goes(held)), "was deleted under claim c"},
		"Sandbox on its way out":   {tell().tx(has, held).tx(ending(held)), "was deleted under claim c"},
		"leaked":                   {tell().tx(has, held).ask().tx(goes(has)), "has leaked"},
		"another pool's":           {tell().tx(free).tx(Claim{Name: "c", UID: "C", Pool: "other", Sandbox: "s"}, held), "drawn from pool pool"},
		"left waiting":             {tell().tx(waits), "at rest: claim c has no Sandbox"},
		"acknowledged, not there":  {tell().wait(1).call(told("C", "s", 1)), "was never stored"},
		"acknowledged, other one":  {tell().tx(has, held).call(told("C", "t", 1)), "is not what was stored"},
		"acknowledged, not yet":    {tell().tx(waits).tx(free).tx(has, held).call(told("C", "s", 1)), "is not what was stored"},
		"acknowledged, long gone":  {tell().tx(has, held).ask().tx(goes(has)).tx(goes(held)).call(told("C", "s", 1)), "which had gone"},
		"another spec, answered": {tell().tx(has, held).call(Call{Outcome: Acknowledged, OtherSpec: true, Answer: Answer{UID: "C", Sandbox: "s", Revision: 1}}),
			"the answer is no conflict"},
		"409 of nobody":          {tell().wait(1).call(Call{Outcome: Refused, Code: 409, Door: ClaimsDoor}), "refused with 409"},
		"409 of the same spec":   {tell().tx(has, held).call(Call{Outcome: Refused, Code: 409}), "refused with 409"},
		"409 of a free one":      {tell().tx(free).wait(9).call(Call{Outcome: Refused, Code: 409, Door: SandboxesDoor, Sandbox: "s"}).wait(9), "1 Sandboxes were free"},
		"409 of a lost race":     {tell().tx(free).wait(9).call(Call{Outcome: Refused, Code: 409}), "refused with 409"},
		"429 with a free one":    {tell().tx(free).wait(9).call(Call{Outcome: Refused, Code: 429}).wait(9), "1 Sandboxes were free"},
		"429, rivals long ago":   {tell().tx(free).call(Call{Outcome: Unknown}).wait(9).call(Call{Outcome: Refused, Code: 429}).wait(9), "1 Sandboxes were free"},
		"an error of the server": {tell().call(Call{Outcome: Refused, Code: 403}), "refused with 403"},
	} {
		found := c.story.check()
		require.NotEmpty(t, found, name)
		assert.Contains(t, found[0], c.says, name)
	}
}

func TestClaimsOfNobody(t *testing.T) {
	good := tell().tx(has, held).call(told("C", "s", 1)).ask().tx(goes(has)).tx(goes(held))
	assert.Empty(t, good.Check())
	good.call(Call{Outcome: Unknown}).tx(again, by(spare, "E"))
	assert.Empty(t, good.Check(), "a call that was cut off may have made it")

	assert.Contains(t, tell().tx(has, held).Check(), "revision 1: nobody has made claim c (C)")
	bad := tell().tx(has, held).call(told("C", "s", 1)).ask().tx(goes(has)).tx(goes(held)).tx(again, by(spare, "E"))
	assert.Contains(t, bad.Check(), "revision 4: nobody has made claim c (E)", "it has come back from the dead")
	bad = tell().call(Call{Outcome: Unknown}).wait(40).tx(has, held)
	assert.NotEmpty(t, bad.Check(), "the call has been over for long")
	bad = tell().tx(has, held).call(Call{Outcome: Unknown, Begin: at(5)})
	assert.NotEmpty(t, bad.Check(), "the call came later")
}

func TestCheckWatch(t *testing.T) {
	writes := tell().tx(free).tx(held).tx(goes(held)).Writes
	all := []Delivery{{1, "S", false}, {2, "S", false}, {3, "S", true}}
	for name, good := range map[string][]Watched{
		"all":             {{0, all}},
		"it is behind":    {{0, all[:2]}},
		"from the middle": {{1, all[1:]}},
		"begun anew":      {{0, all[:1]}, {2, all[2:]}, {3, nil}},
	} {
		assert.Empty(t, CheckWatch(writes, good), name)
	}
	for name, bad := range map[string][]Delivery{
		"one lost":    {all[0], all[2]},
		"one twice":   {all[0], all[0], all[1]},
		"out of turn": {all[1], all[0]},
		"invented":    append(all[:3:3], Delivery{4, "S", false}),
		"alive again": {all[0], all[1], {3, "S", false}},
	} {
		assert.NotEmpty(t, CheckWatch(writes, []Watched{{3, nil}, {0, bad}}), name)
	}
}
