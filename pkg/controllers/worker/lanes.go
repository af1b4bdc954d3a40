// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"sync"

	"k8s.io/client-go/util/workqueue"
)

// backgroundTurn is which key comes from the background, one of so many, while others are queued too: what fills in the
// background slows down under load and never stops.
const backgroundTurn = 4

var _ workqueue.Queue[Key] = &lanes{}

// lanes are the order of a queue: namespaces in turn, and in a namespace first come, first served, so that one who makes
// thousands of objects holds up nobody else. A key of the background comes after all others, except in its turn; asked for
// again in another way, it moves to the others.
type lanes struct {
	mu sync.Mutex
	// asked has keys that were asked for since they were last taken; true if only in the background. What is not there
	// is a retry or a delay that has passed, and is not of the background.
	asked map[Key]bool
	// queued says of each key in which lane it is; entries of the lanes that it does not confirm do not count.
	queued map[Key]lane
	keys   [2]turns
	taken  int
}

type lane int

const (
	front lane = iota
	background
)

func newLanes() *lanes {
	return &lanes{asked: map[Key]bool{}, queued: map[Key]lane{}, keys: [2]turns{{keys: map[string][]Key{}}, {keys: map[string][]Key{}}}}
}

// ask is called before the key is added to the queue.
func (l *lanes) ask(key Key, inBackground bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, found := l.asked[key]
	l.asked[key] = inBackground && (before || !found)
}

// Push implements workqueue.Queue.
func (l *lanes) Push(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to := front
	if l.asked[key] {
		to = background
	}
	l.put(key, to)
}

// Touch implements workqueue.Queue.
func (l *lanes) Touch(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queued[key] == background && !l.asked[key] {
		l.put(key, front)
	}
}

func (l *lanes) put(key Key, to lane) {
	l.queued[key] = to
	l.keys[to].add(key)
}

// Len implements workqueue.Queue.
func (l *lanes) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queued)
}

// Pop implements workqueue.Queue. It is called only when there is something.
func (l *lanes) Pop() Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken++
	preferred := front
	if l.taken%backgroundTurn == 0 {
		preferred = background
	}
	key, found := l.take(preferred)
	if !found {
		key, _ = l.take(1 - preferred)
	}
	delete(l.queued, key)
	delete(l.asked, key)
	return key
}

func (l *lanes) take(from lane) (key Key, found bool) {
	for {
		if key, found = l.keys[from].next(); !found {
			return key, false
		}
		if in, queued := l.queued[key]; queued && in == from {
			return key, true
		}
	}
}

// turns are the keys of one lane. Namespaces that have any take turns.
type turns struct {
	namespaces []string
	keys       map[string][]Key
}

func (t *turns) add(key Key) {
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
