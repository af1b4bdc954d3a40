// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Gate is what a server sees of the fence. Green comes in periods: what entered in
// one ends with it. Red is final. Safe for concurrent use.
type Gate struct {
	state atomic.Pointer[gateState]
	// loss is nil until the gate is opened for the first time.
	loss atomic.Pointer[time.Time]
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

// BeforeLoss says whether what was made at that time is of before the last confirmed loss:
// what has become of it since may be what was lost. Creation times are of whole seconds, so
// the second of the loss belongs to it. Until the gate is opened for the first time that is
// true of everything; from then on the answer about a time does not change, since the epoch
// of what is green does not.
//
// The two times come from two clocks, as a rule. What was made by a process whose clock was
// ahead, by more than passed from the backup to the confirmation, looks younger than it is.
func (g *Gate) BeforeLoss(made time.Time) bool {
	loss := g.loss.Load()
	return loss == nil || !loss.IsZero() && !made.Truncate(time.Second).After(*loss)
}

// open begins a green period of an etcd whose loss was last confirmed then; zero if never.
func (g *Gate) open(loss time.Time) {
	g.loss.Store(&loss)
	g.set(nil)
}

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
