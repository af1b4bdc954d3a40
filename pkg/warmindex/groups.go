// SPDX-License-Identifier: Apache-2.0

package warmindex

// groups files objects under what they point to, and finds them from either side.
type groups[T any] struct {
	group   map[Key]Key       // object → group
	members map[Key]map[Key]T // group → object → value
}

func newGroups[T any]() groups[T] {
	return groups[T]{group: map[Key]Key{}, members: map[Key]map[Key]T{}}
}

// put files the object under one group and no other, and says where it was before.
func (g groups[T]) put(object, group Key, value T) (before Key) {
	before, was := g.group[object]
	if was && before != group {
		g.drop(object)
	}
	if g.members[group] == nil {
		g.members[group] = map[Key]T{}
	}
	g.group[object] = group
	g.members[group][object] = value
	return before
}

// drop removes the object and says where it was: the zero Key if it was nowhere.
func (g groups[T]) drop(object Key) (before Key) {
	before, was := g.group[object]
	if !was {
		return before
	}
	delete(g.group, object)
	delete(g.members[before], object)
	if len(g.members[before]) == 0 {
		delete(g.members, before)
	}
	return before
}

// get is the value of the object, or the zero value.
func (g groups[T]) get(object Key) T { return g.members[g.group[object]][object] }

// of are the objects of a group. The map changes with the next put or drop.
func (g groups[T]) of(group Key) map[Key]T { return g.members[group] }
