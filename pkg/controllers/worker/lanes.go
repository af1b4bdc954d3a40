// SPDX-License-Identifier: Apache-2.0

package worker

import "k8s.io/client-go/util/workqueue"

// Urgency is the lane that a key waits in.
type Urgency int

const (
	// Urgent is what goes first, as finishing what was begun.
	Urgent Urgency = iota
	// Normal comes next.
	Normal
	// Background is what nobody waits for.
	Background
	numberOfLanes
)

// preferred is the lane that is looked into first, in turn. So under whatever load half of the syncs at least are of what is
// urgent, and a quarter of each of the others: nothing stands still.
var preferred = [...]Urgency{Urgent, Normal, Urgent, Background}

var _ workqueue.Queue[Key] = &lanes{}

// lanes are the order of a queue: the more urgent first, but for turns; of equal urgency namespaces in turn, so that one
// with thousands of keys holds up no other; in a namespace first come, first served. The queue that it is the order of
// calls it under its own lock.
type lanes struct {
	urgency func(Key) Urgency
	// queued says of each key in which lane it is; entries of the lanes that it does not confirm do not count.
	queued map[Key]Urgency
	keys   [numberOfLanes]turns
	taken  int
}

func newLanes(urgency func(Key) Urgency) *lanes {
	if urgency == nil {
		urgency = func(Key) Urgency { return Normal }
	}
	return &lanes{urgency: urgency, queued: map[Key]Urgency{}}
}

// Push implements workqueue.Queue.
func (l *lanes) Push(key Key) {
	to := l.urgency(key)
	l.queued[key] = to
	l.keys[to].add(key)
}

// Touch implements workqueue.Queue: a key that is asked for again may have become more urgent.
func (l *lanes) Touch(key Key) {
	to := l.urgency(key)
	if is, found := l.queued[key]; found && to < is {
		l.queued[key] = to
		l.keys[to].add(key)
	}
}

// Len implements workqueue.Queue.
func (l *lanes) Len() int {
	return len(l.queued)
}

// Pop implements workqueue.Queue. It is called only when there is something.
func (l *lanes) Pop() Key {
	key, found := l.take(preferred[l.taken%len(preferred)])
	l.taken++
	for lane := Urgent; !found && lane < numberOfLanes; lane++ {
		key, found = l.take(lane)
	}
	delete(l.queued, key)
	return key
}

func (l *lanes) take(from Urgency) (key Key, found bool) {
	for {
		if key, found = l.keys[from].next(); !found {
			return key, false
		}
		if in, queued := l.queued[key]; queued && in == from {
			return key, true
		}
	}
}

// turns are the keys of one lane. Namespaces that have any take turns. The zero value is ready.
type turns struct {
	namespaces []string
	keys       map[string][]Key
}

func (t *turns) add(key Key) {
	if t.keys == nil {
		t.keys = map[string][]Key{}
	}
	if len(t.keys[key.Namespace]) == 0 {
		t.namespaces = append(t.namespaces, key.Namespace)
	}
	t.keys[key.Namespace] = append(t.keys[key.Namespace], key)
}

func (t *turns) next() (key Key, found bool) {
	if len(t.namespaces) == 0 {
		return key, false
	}
	namespace := t.namespaces[0]
	t.namespaces = t.namespaces[1:]
	queued := t.keys[namespace]
	if key = queued[0]; len(queued) == 1 {
		delete(t.keys, namespace)
		return key, true
	}
	t.keys[namespace] = queued[1:]
	t.namespaces = append(t.namespaces, namespace)
	return key, true
}
