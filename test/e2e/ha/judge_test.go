// SPDX-License-Identifier: Apache-2.0

package ha

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// finish stops the load, waits for what has begun, and returns all answers in the order
// of their requests.
func (l *load) finish() []answer {
	l.stop()
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortFunc(l.answered, func(a, b answer) int { return a.begin.Compare(b.begin) })
	return l.answered
}

// failures are the answers that nobody wants.
func failures(answers []answer) []answer {
	return slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return a.err == nil })
}

// figures describe a run in a line.
func figures(answers []answer) string {
	took := make([]time.Duration, len(answers))
	count := map[string]int{}
	for i, a := range answers {
		took[i] = a.end.Sub(a.begin)
		count[a.what]++
	}
	slices.Sort(took)
	at := func(share float64) time.Duration {
		if len(took) == 0 {
			return 0
		}
		return took[int(share*float64(len(took)-1))].Round(time.Millisecond)
	}
	return fmt.Sprintf("%d requests %v, %d failed; p50 %v, p99 %v, longest %v",
		len(answers), count, len(failures(answers)), at(0.5), at(0.99), at(1))
}

// errorWindow is the time from the begin of the first request that failed to the end of the last.
func errorWindow(answers []answer) time.Duration {
	failed := failures(answers)
	if len(failed) == 0 {
		return 0
	}
	last := slices.MaxFunc(failed, func(a, b answer) int { return a.end.Compare(b.end) })
	return last.end.Sub(failed[0].begin)
}

// silence is the longest time in which no claim was answered well.
func silence(answers []answer) time.Duration {
	var ends []time.Time
	for _, a := range answers {
		if a.what == "claim" && a.err == nil {
			ends = append(ends, a.end)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	var longest time.Duration
	for i := 1; i < len(ends); i++ {
		longest = max(longest, ends[i].Sub(ends[i-1]))
	}
	return longest
}

// show logs the first few failures.
func (l *load) show(answers []answer) {
	const few = 5
	failed := failures(answers)
	for _, a := range failed[:min(few, len(failed))] {
		l.ns.T.Logf("failed: %s at %s after %v: %v", a.what, a.begin.Format(time.StampMilli), a.end.Sub(a.begin).Round(time.Millisecond), a.err)
	}
}

// nothingLost holds what was acknowledged against what is there.
func (l *load) nothingLost() {
	l.ns.T.Helper()
	claims, err := l.ns.Claims().List(l.ns.T.Context(), metav1.ListOptions{})
	require.NoError(l.ns.T, err)
	stored := map[string]string{}
	for _, claim := range claims.Items {
		if claim.Status.Sandbox != nil {
			stored[claim.Name] = string(claim.UID) + " " + claim.Status.Sandbox.Name
		}
	}
	holders := map[string]string{}
	for name, claim := range l.claims {
		if !assert.NotNil(l.ns.T, claim.Status.Sandbox, "claim %s was answered without a Sandbox", name) {
			continue
		}
		sandbox := claim.Status.Sandbox.Name
		if other := cmp.Or(holders[sandbox], name); other != name {
			l.ns.T.Errorf("claims %s and %s hold Sandbox %s", name, other, sandbox)
		}
		holders[sandbox] = name
		if !l.deleted[name] {
			assert.Equal(l.ns.T, string(claim.UID)+" "+sandbox, stored[name], "claim %s", name)
		}
	}
	l.sandboxesAreThere()
}

func (l *load) sandboxesAreThere() {
	l.ns.T.Helper()
	sandboxes, err := l.ns.Sandboxes().List(l.ns.T.Context(), metav1.ListOptions{})
	require.NoError(l.ns.T, err)
	found := map[string]bool{}
	for _, sandbox := range sandboxes.Items {
		found[sandbox.Name+" "+string(sandbox.UID)] = true
		for _, label := range l.labels[sandbox.Name] {
			assert.Contains(l.ns.T, sandbox.Labels, label, "label of Sandbox %s", sandbox.Name)
		}
	}
	for name, uid := range l.sandboxes {
		assert.True(l.ns.T, found[name+" "+string(uid)], "Sandbox %s was acknowledged", name)
	}
	for name, claim := range l.claims {
		if l.deleted[name] || claim.Status.Sandbox == nil {
			continue
		}
		assert.True(l.ns.T, slices.ContainsFunc(sandboxes.Items, func(s v1beta1.Sandbox) bool { return s.Name == claim.Status.Sandbox.Name }),
			"the Sandbox of claim %s", name)
	}
}

// between are the answers that came in a span of time.
func between(answers []answer, from, to time.Time) []answer {
	return slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return a.end.Before(from) || a.end.After(to) })
}

// good are the answers to one kind of request that somebody wanted.
func good(answers []answer, what string) []answer {
	return slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return a.what != what || a.err != nil })
}
