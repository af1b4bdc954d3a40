// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/types"
)

var (
	now   = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	usual = timing{patience: 10 * time.Minute, skew: time.Hour}
)

// made is a Sandbox in namespace "team" of that age.
func made(age time.Duration, changes ...func(*object)) object {
	o := object{resource: sandboxes, namespace: "team", name: "dev", uid: "uid-dev", created: now.Add(-age)}
	for _, change := range changes {
		change(&o)
	}
	return o
}

func going(o *object)   { o.deleted = true }
func inOther(o *object) { o.namespace = "other" }

// healthy adds what lives in other namespaces, so that one dead one is believed.
func healthy(objects []object, places map[string]place) ([]object, map[string]place) {
	all := map[string]place{}
	for _, name := range []string{"a", "b", "c"} {
		objects = append(objects, object{resource: sandboxes, namespace: name, name: "dev", uid: types.UID("uid-" + name), created: now})
		all[name] = place{uid: types.UID("ns-" + name), created: now.Add(-1000 * time.Hour)}
	}
	maps.Copy(all, places)
	return objects, all
}

// team has a namespace of that age.
func team(uid types.UID, age time.Duration) map[string]place {
	return map[string]place{"team": {uid: uid, created: now.Add(-age)}}
}

func suspected(successor types.UID, ago time.Duration) memory {
	return memory{dead: map[string]suspicion{"team": {successor: successor, since: now.Add(-ago)}}}
}

var unsuspected = memory{dead: map[string]suspicion{}}

func TestDecide(t *testing.T) {
	tests := map[string]struct {
		objects []object
		places  map[string]place
		before  memory
		want    plan
	}{
		"the namespace was there first": {
			[]object{made(time.Hour)}, team("uid-ns", 2*time.Hour), memory{}, plan{memory: unsuspected},
		},
		"made at the same time": {
			[]object{made(time.Hour)}, team("uid-ns", time.Hour), memory{}, plan{memory: unsuspected},
		},
		"our clock is behind, by an hour": {
			[]object{made(2 * time.Hour)}, team("uid-ns", time.Hour), suspected("uid-ns", time.Hour), plan{memory: unsuspected},
		},
		"there is no namespace: suspected, and kept": {
			[]object{made(time.Hour)}, nil, memory{}, plan{dead: 1, noticed: []string{"team"}, memory: suspected("", 0)},
		},
		"still none, too early": {
			[]object{made(time.Hour)}, nil, suspected("", 10*time.Minute-1), plan{dead: 1, memory: suspected("", 10*time.Minute-1)},
		},
		"still none": {
			[]object{made(time.Hour)}, nil, suspected("", 10*time.Minute),
			plan{dead: 1, due: []object{made(time.Hour)}, memory: suspected("", 10*time.Minute)},
		},
		"another one of the name: suspected, and kept": {
			[]object{made(3 * time.Hour)}, team("uid-after", time.Hour), memory{}, plan{dead: 1, noticed: []string{"team"}, memory: suspected("uid-after", 0)},
		},
		"still that one: what was made in it stays": {
			[]object{made(3 * time.Hour), made(time.Minute)}, team("uid-after", time.Hour), suspected("uid-after", 10*time.Minute),
			plan{dead: 1, due: []object{made(3 * time.Hour)}, memory: suspected("uid-after", 10*time.Minute)},
		},
		"none, and then another one: begins anew": {
			[]object{made(3 * time.Hour)}, team("uid-after", time.Minute), suspected("", time.Hour),
			plan{dead: 1, noticed: []string{"team"}, memory: suspected("uid-after", 0)},
		},
		"one, and then yet another one: begins anew": {
			[]object{made(3 * time.Hour)}, team("uid-third", time.Minute), suspected("uid-after", time.Hour),
			plan{dead: 1, noticed: []string{"team"}, memory: suspected("uid-third", 0)},
		},
		"it was there again in between: forgotten": {
			[]object{made(time.Hour)}, team("uid-ns", 2*time.Hour), suspected("", time.Hour), plan{memory: unsuspected},
		},
		"on its way": {
			[]object{made(time.Hour, going)}, nil, suspected("", time.Hour), plan{dead: 1, memory: suspected("", time.Hour)},
		},
		"after the brake: begins anew": {
			[]object{made(time.Hour)}, nil, memory{stopped: true}, plan{dead: 1, noticed: []string{"team"}, memory: suspected("", 0)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects, places := healthy(test.objects, test.places)
			test.want.namespaces = 4
			assert.Equal(t, test.want, usual.decide(objects, places, test.before, now))
		})
	}
}

// A cluster that was made anew around our store has younger namespaces only.
func TestBrake(t *testing.T) {
	long := suspected("", time.Hour)
	two, places := healthy([]object{made(time.Hour), made(time.Hour, inOther)}, nil)
	assert.Equal(t, plan{namespaces: 5, dead: 2, memory: memory{stopped: true}}, usual.decide(two, places, long, now))
	assert.Equal(t, plan{namespaces: 1, dead: 1, memory: memory{stopped: true}}, usual.decide([]object{made(time.Hour)}, nil, long, now))
}

func TestDeletesOfACheckAreBounded(t *testing.T) {
	var objects []object
	for i := range 3 * maxDeletes {
		objects = append(objects, made(time.Hour, func(o *object) { o.name = fmt.Sprint(i); o.deleted = i%2 == 0 }))
	}
	all, places := healthy(objects, nil)
	p := usual.decide(all, places, suspected("", time.Hour), now)
	assert.Len(t, p.due, maxDeletes)
	assert.Equal(t, "1", p.due[0].name, "those on their way are not in the way")
}
