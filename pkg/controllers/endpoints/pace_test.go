// SPDX-License-Identifier: Apache-2.0

package endpoints

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func TestPace(t *testing.T) {
	for name, test := range map[string]struct {
		took, since, want time.Duration
	}{
		"at once after a quick one":      {time.Millisecond, 0, minInterval},
		"a little later":                 {time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond},
		"long after":                     {time.Millisecond, time.Minute, 0},
		"a sync takes its share":         {100 * time.Millisecond, 0, 2 * time.Second},
		"the share of a long one passes": {100 * time.Millisecond, 3 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var p pace
			assert.Zero(t, p.wait("team", now), "nothing was synced yet")
			p.done("team", nil, now.Add(-test.took), now)
			assert.Equal(t, test.want, p.wait("team", now.Add(test.since)))
			assert.Zero(t, p.wait("other", now.Add(test.since)), "a namespace does not wait for another")
			p.forget("team")
			assert.Zero(t, p.wait("team", now))
		})
	}
}

func TestPaceKnowsWhatWasSeen(t *testing.T) {
	unready := func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }
	ends := func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now} }
	pod, other := newPod("dev", at("10.0.0.1")), newPod("other", at("10.0.0.2"))
	var p pace
	assert.False(t, p.has(pod))
	p.done("team", map[types.UID]appearance{pod.UID: appearanceOf(pod)}, now, now)
	assert.True(t, p.has(newPod("dev", at("10.0.0.1"), labelled)))
	for name, changed := range map[string]*corev1.Pod{
		"another":         other,
		"another address": newPod("dev", at("10.0.0.2")),
		"not ready":       newPod("dev", at("10.0.0.1"), unready),
		"it ends":         newPod("dev", at("10.0.0.1"), ends),
	} {
		assert.False(t, p.has(changed), name)
	}
	p.done("team", map[types.UID]appearance{other.UID: appearanceOf(other)}, now, now)
	assert.False(t, p.has(pod), "only the last sync counts")
}
