// SPDX-License-Identifier: Apache-2.0

package endpoints

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestWhenAChangeOfAPodIsDue(t *testing.T) {
	const never = -1
	soon := 300 * time.Millisecond // what is left of the interval after the last sync
	here, there := at("10.0.0.1"), at("10.0.0.2")
	for name, test := range map[string]struct {
		before, after *corev1.Pod
		want          time.Duration
	}{
		"a Pod without an address":                    {nil, newPod("dev"), never},
		"it gets one":                                 {newPod("dev"), newPod("dev", here), soon},
		"it was there when we began":                  {nil, newPod("dev", here), soon},
		"another one":                                 {newPod("dev", here), newPod("dev", there, labelled), soon},
		"nothing of interest":                         {newPod("dev", here), newPod("dev", here, labelled), never},
		"it goes":                                     {newPod("dev", here), nil, soon},
		"it goes before it has an address":            {newPod("dev"), nil, never},
		"a warm one gets an address":                  {newPod("dev", warm), newPod("dev", warm, here), warmDelay},
		"a warm one goes":                             {newPod("dev", warm, here), nil, soon},
		"a warm one is claimed":                       {newPod("dev", warm, here), newPod("dev", warm, here, claimed), soon},
		"claimed after it was published":              {newPod("known", warm, here), newPod("known", warm, here, claimed), never},
		"claimed, and what was published is not that": {newPod("known", warm, there), newPod("known", warm, there, claimed), soon},
		"it loses its label":                          {newPod("known", here), newPod("known", here, stranger), soon},
		"and has it back":                             {newPod("known", here, stranger), newPod("known", here), soon},
		"a claimed one gets another":                  {newPod("known", warm, here, claimed), newPod("known", warm, there, claimed, labelled), soon},
		"a Pod that is no Sandbox's":                  {newPod("dev", stranger), newPod("dev", stranger, here), never},
		"what it says of itself is not new":           {newPod("dev", here, claimed), newPod("dev", here, claimed, labelled), never},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			known := newPod("known", here)
			h.term.pace.done("team", map[types.UID]appearance{known.UID: appearanceOf(known)}, now, now)
			delay, concerns := h.term.delay(test.before, test.after, now.Add(200*time.Millisecond))
			if test.want == never {
				assert.False(t, concerns)
				return
			}
			assert.True(t, concerns)
			assert.Equal(t, test.want, delay)
		})
	}
}

func newSlice(uid types.UID, generation int64, changes ...func(*discoveryv1.EndpointSlice)) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team", Name: "sandboxes-" + string(uid), UID: uid, Generation: generation,
		Labels: map[string]string{discoveryv1.LabelManagedBy: manager, discoveryv1.LabelServiceName: v1beta1.SharedServiceName},
	}}
	for _, f := range changes {
		f(slice)
	}
	return slice
}

func TestWhatOthersDoToSlices(t *testing.T) {
	theirs := func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelManagedBy] = "theirs" }
	otherService := func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelServiceName] = "web" }
	for name, test := range map[string]struct {
		before, after *discoveryv1.EndpointSlice
		want          bool
	}{
		"what we wrote arrives":       {nil, newSlice("written", 3), false},
		"an older state of it":        {newSlice("written", 1), newSlice("written", 2), false},
		"somebody changed it":         {newSlice("written", 3), newSlice("written", 4), true},
		"somebody deleted it":         {newSlice("written", 3), nil, true},
		"we deleted it":               {newSlice("deleted", 3), nil, false},
		"one of an earlier leader":    {nil, newSlice("unknown", 1), true},
		"that one goes":               {newSlice("unknown", 1), nil, true},
		"a slice of somebody else":    {nil, newSlice("unknown", 1, theirs), false},
		"and of another Service":      {nil, newSlice("unknown", 1, otherService), false},
		"ours was taken over":         {newSlice("written", 3), newSlice("written", 3, theirs), true},
		"and given back":              {newSlice("written", 3, theirs), newSlice("written", 3), true},
		"ours now names another":      {newSlice("written", 3), newSlice("written", 3, otherService), true},
		"a stranger's slice has gone": {newSlice("unknown", 1, theirs), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.term.tracker.Update(newSlice("written", 3))
			h.term.tracker.ExpectDeletion(newSlice("deleted", 3))
			assert.Equal(t, test.want, h.term.unexpected(test.before, test.after))
		})
	}
}
