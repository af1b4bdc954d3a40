// SPDX-License-Identifier: Apache-2.0

package endpoints

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

const (
	// minInterval lies between two syncs of a namespace.
	minInterval = 500 * time.Millisecond
	// share is the part of the time, one in so many, that syncs of a namespace take: a
	// sync looks at all of its Pods.
	share = 20
	// warmDelay is how long what nobody can ask for is gathered.
	warmDelay = 5 * time.Second
)

// pace says when a namespace is to be synced. Safe for concurrent use; the zero value is
// ready.
type pace struct {
	mu         sync.Mutex
	namespaces map[string]synced
}

// synced is what came of the last sync of a namespace.
type synced struct {
	// next is when another one may begin.
	next time.Time
	// pods are those whose addresses were looked at.
	pods sets.Set[types.UID]
}

// wait is how long the next sync has to wait.
func (p *pace) wait(namespace string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.namespaces[namespace].next.Sub(now), 0)
}

// has says whether the last sync looked at the Pod.
func (p *pace) has(namespace string, pod types.UID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.namespaces[namespace].pods.Has(pod)
}

// done notes a sync.
func (p *pace) done(namespace string, pods sets.Set[types.UID], began, ended time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.namespaces == nil {
		p.namespaces = map[string]synced{}
	}
	p.namespaces[namespace] = synced{next: ended.Add(max(minInterval, share*ended.Sub(began))), pods: pods}
}

func (p *pace) forget(namespace string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.namespaces, namespace)
}
