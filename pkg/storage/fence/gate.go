// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"sync"
	"sync/atomic"
)

// Gate is what a server sees of the fence. Green comes in periods: what entered in
// one ends with it. Red is final. Safe for concurrent use.
type Gate struct {
	state atomic.Pointer[gateState]
	// setting orders the changes, which come from the fence and from its guard.
	setting sync.Mutex
}

type gateState struct {
	// refusal is nil while green.
	refusal *Refusal
	// over ends with the state.
	over context.Context
	end  context.CancelFunc
}

// NewGate returns a gate that nothing enters until a verdict opens it.
func NewGate() *Gate {
	registerMetrics()
	g := &Gate{}
	g.set(&Refusal{Reason: NotVerified, Message: "etcd has not been looked at yet"})
	return g
}

// Err is nil while green, else a *Refusal.
func (g *Gate) Err() error {
	if refusal := g.state.Load().refusal; refusal != nil {
		return refusal
	}
	return nil
}

// Enter returns a context for work that must not go on when the gate closes; the
// caller calls leave at the end. It fails with a *Refusal.
func (g *Gate) Enter(ctx context.Context) (inside context.Context, leave func(), err error) {
	return g.state.Load().enter(ctx)
}

func (s *gateState) enter(ctx context.Context) (inside context.Context, leave func(), err error) {
	if s.refusal != nil {
		return nil, nil, s.refusal
	}
	inside, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.over, cancel)
	return inside, func() {
		stop()
		cancel()
	}, nil
}

// WhileGreen calls work in every green period until ctx ends. The context of work
// ends with the period, and the next one waits until work has returned.
func (g *Gate) WhileGreen(ctx context.Context, work func(context.Context)) {
	for ctx.Err() == nil {
		state := g.state.Load()
		if inside, leave, err := state.enter(ctx); err == nil {
			work(inside)
			leave()
		}
		select {
		case <-state.over.Done():
		case <-ctx.Done():
		}
	}
}

func (g *Gate) open() { g.set(nil) }

// set begins a new state, unless the gate is open and stays so, or is red.
func (g *Gate) set(refusal *Refusal) {
	g.setting.Lock()
	defer g.setting.Unlock()
	old := g.state.Load()
	if old != nil && (old.refusal == nil && refusal == nil || old.refusal.final()) {
		return
	}
	over, end := context.WithCancel(context.Background())
	g.state.Store(&gateState{refusal: refusal, over: over, end: end})
	observeGate(refusal)
	if old != nil {
		old.end()
	}
}
