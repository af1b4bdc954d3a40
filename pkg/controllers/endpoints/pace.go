// SPDX-License-Identifier: Apache-2.0

package endpoints

import (
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
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
	// pods are what was seen of those that have an address.
	pods map[types.UID]appearance
}

// appearance is what a slice says of a Pod, as far as that changes.
type appearance struct {
	addresses          string
	ready, terminating bool
}

func appearanceOf(pod *corev1.Pod) appearance {
	var addresses []string
	for _, ip := range pod.Status.PodIPs {
		addresses = append(addresses, ip.IP)
	}
	a := appearance{addresses: strings.Join(addresses, " "), terminating: pod.DeletionTimestamp != nil}
	for _, condition := range pod.Status.Conditions {
		a.ready = a.ready || condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
	}
	return a
}

// wait is how long the next sync has to wait.
func (p *pace) wait(namespace string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.namespaces[namespace].next.Sub(now), 0)
}

// has says whether the last sync saw the Pod as it is.
func (p *pace) has(pod *corev1.Pod) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen, ok := p.namespaces[pod.Namespace].pods[pod.UID]
	return ok && seen == appearanceOf(pod)
}

// done notes a sync.
func (p *pace) done(namespace string, pods map[types.UID]appearance, began, ended time.Time) {
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
