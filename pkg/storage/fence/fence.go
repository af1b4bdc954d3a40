// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

// ErrRestart ends Run when this process is red and a new one would not be.
var ErrRestart = errors.New("etcd is the right one again, or its loss was confirmed: this process may hold what it read from the wrong one, so it ends; the next one serves")

// stepsPerRound is how many writes a first start or a confirmation takes at most,
// with a few lost races.
const stepsPerRound = 6

// readTries is how many members that hang a look outlives.
const readTries = 5

// Timing of a fence.
type Timing struct {
	// Check is the time between two looks at etcd, Mark that between two looks at the
	// ConfigMap while green, Retry that between two looks while there is no verdict.
	Check, Mark, Retry time.Duration
	// Beat is the least time between two beats.
	Beat time.Duration
	// Outage is how long etcd may be silent before the gate closes until it is seen again.
	Outage time.Duration
	// Timeout bounds each look and each write.
	Timeout time.Duration
}

// DefaultTiming loses sight of at most the writes of ten seconds.
func DefaultTiming() Timing {
	return Timing{
		Check: 2 * time.Second, Mark: 10 * time.Second, Retry: 500 * time.Millisecond,
		Beat: 10 * time.Second, Outage: 15 * time.Second, Timeout: 5 * time.Second,
	}
}

// Options are what a fence needs.
type Options struct {
	// Etcd is where Key is. Housekeeping is a key whose writes are no reason for a
	// beat, that of a compactor, say.
	Etcd              clientv3.KV
	Key, Housekeeping string
	// Marks hold the mark, outside of etcd. Reporter hears what administrators should.
	Marks    Marks
	Reporter Reporter
	// Confirm is the recorded epoch that an administrator declares replaced; stale
	// ones have no effect. Complete is the same epoch where nothing is lost by that, as when
	// etcd was moved; one that was left from an earlier move has no effect either.
	Confirm, Complete string
	// Gate is opened by this fence alone, and closed by it and by Guard, under which the
	// clients of this etcd are.
	Gate   *Gate
	Guard  *Guard
	Timing Timing
}

// Fence watches over one etcd.
type Fence struct {
	Options

	etcd etcdKey
	// What Run alone uses: the last mark, when it was read, when etcd last answered.
	mark     Mark
	markRead time.Time
	answered time.Time
	// reported says that administrators know that this process is red.
	reported bool

	mu sync.Mutex
	// seen is the furthest while green, written the last that Keep wrote into the mark.
	seen, written Position
}

// New returns a fence; nothing is read or written before Run.
func New(o Options) *Fence {
	f := &Fence{Options: o, etcd: etcdKey{kv: o.Etcd, key: o.Key, housekeeping: o.Housekeeping}}
	o.Guard.look = f.recognise
	return f
}

// Run looks at etcd until ctx ends, and opens and closes the gate. It returns
// ErrRestart when the process should make room for a new one.
func (f *Fence) Run(ctx context.Context) error {
	trips := f.Guard.trips
	for {
		if err := f.round(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-trips:
			trips = nil
		case <-time.After(f.pause()):
		}
	}
}

// pause is short while the gate is closed for want of a verdict.
func (f *Fence) pause() time.Duration {
	if reason := f.closedFor(); reason == NotVerified {
		return f.Timing.Retry
	}
	return f.Timing.Check
}

// closedFor is empty while green.
func (f *Fence) closedFor() Reason {
	if refusal, closed := errors.AsType[*Refusal](f.Gate.Err()); closed {
		return refusal.Reason
	}
	return ""
}

func (f *Fence) round(ctx context.Context) error {
	if f.Guard.tripped.Load() != nil {
		f.refuse(ctx)
		return f.awaitRight(ctx)
	}
	// What begins while etcd is looked at is not part of the verdict.
	connections := f.Guard.begun.Load()
	verdict, store, err := f.look(ctx)
	switch {
	case f.Guard.tripped.Load() != nil:
		f.refuse(ctx)
	case err != nil:
		f.cannotTell(ctx, err)
	case verdict.Reason != "":
		f.Guard.trip(trip{Refusal: &Refusal{Reason: verdict.Reason, Message: verdict.Message}, contradicts: verdict.contradicts})
		f.refuse(ctx)
	default:
		f.pass(ctx, store)
		raise(&f.Guard.known, connections)
	}
	return nil
}

// recognise looks at etcd for the guard: whether it is the one that it was at the last
// green look. A read that fails because a member ends, or hangs, is repeated for a while: the
// next one goes to another member.
func (f *Fence) recognise(ctx context.Context) error {
	var failed error
	err := wait.PollUntilContextTimeout(ctx, f.Timing.Retry, f.Timing.Timeout, true, func(ctx context.Context) (bool, error) {
		seen := f.furthest()
		ctx, cancel := context.WithTimeout(ctx, f.Timing.Timeout/readTries)
		defer cancel()
		var store Store
		if store, failed = f.etcd.read(ctx); failed == nil {
			f.recognised(Judge(Situation{Store: store, Seen: seen}))
		}
		return failed == nil, nil
	})
	if failed != nil {
		return failed
	}
	return err
}

func (f *Fence) recognised(v Verdict) {
	if v.Reason != "" {
		f.Guard.trip(trip{Refusal: &Refusal{Reason: v.Reason, Message: v.Message}})
	}
}

// look takes every step that is due and returns the verdict after the last one.
func (f *Fence) look(ctx context.Context) (Verdict, Store, error) {
	for range stepsPerRound {
		if err := f.readMark(ctx); err != nil {
			return Verdict{}, Store{}, err
		}
		store, err := f.readStore(ctx)
		if err != nil {
			return Verdict{}, Store{}, err
		}
		verdict := Judge(Situation{Store: store, Mark: f.mark, Seen: f.furthest(), Confirm: f.Confirm, Complete: f.Complete})
		if verdict.step == stepNone {
			return verdict, store, nil
		}
		f.markRead = time.Time{}
		err = f.take(ctx, verdict, store)
		switch {
		case err == nil, errors.Is(err, errLost):
		case verdict.Reason == "" && f.closedFor() == "":
			// What is green stays so without its ConfigMap.
			klog.FromContext(ctx).Error(err, "The storage mark is missing and cannot be written")
			return verdict, store, nil
		default:
			return Verdict{}, Store{}, err
		}
	}
	return Verdict{}, Store{}, fmt.Errorf("recording the epoch: %w", errLost)
}

// readMark reads the ConfigMap before etcd, never after: etcd is written first, so
// what is read from it then is not behind. While green an old mark serves as well.
func (f *Fence) readMark(ctx context.Context) error {
	begun := f.furthest().Epoch != ""
	if begun && time.Since(f.markRead) < f.Timing.Mark {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.Timing.Timeout)
	defer cancel()
	mark, err := f.Marks.Read(ctx)
	switch {
	case err == nil:
		f.mark, f.markRead = mark, time.Now()
	case begun:
		klog.FromContext(ctx).V(2).Info("The storage mark cannot be read, the last one is used", "err", err)
	default:
		return err
	}
	return nil
}

func (f *Fence) readStore(ctx context.Context) (Store, error) {
	ctx, cancel := context.WithTimeout(ctx, f.Timing.Timeout)
	defer cancel()
	store, err := f.etcd.read(ctx)
	if err == nil {
		f.answered = time.Now()
		lastCheck.SetToCurrentTime()
	}
	return store, err
}

// take writes what the verdict asks for.
func (f *Fence) take(ctx context.Context, verdict Verdict, store Store) error {
	ctx, cancel := context.WithTimeout(ctx, f.Timing.Timeout)
	defer cancel()
	epoch, now := string(uuid.NewUUID()), time.Now().UTC()
	switch verdict.step {
	case stepBegin:
		if _, err := f.etcd.write(ctx, store, record{Epoch: epoch, Beat: 1, Created: now}); err != nil {
			return err
		}
		f.report(ctx, Event{Reason: "StorageEpochBegun", Action: "Begin", Note: "first start: the epoch is " + epoch})
	case stepConfirm:
		c := confirmation{epoch: epoch, at: now, complete: f.Complete == f.mark.Epoch}
		if _, err := f.etcd.write(ctx, store, store.confirmed(f.mark, c)); err != nil {
			return err
		}
		f.report(ctx, c.event(f.mark.Epoch, verdict.Message))
	case stepRecord:
		return f.Marks.Write(ctx, f.mark, store.Position)
	}
	return nil
}

// event tells of a confirmation that has been carried out.
func (c confirmation) event(replaced, why string) Event {
	e := Event{Reason: "StorageLossConfirmed", Action: "Confirm", Warning: true, Note: fmt.Sprintf(
		"the epoch %s is replaced by %s, as --confirm-storage-epoch said; take the flag away (%s)", replaced, c.epoch, why)}
	if c.complete {
		e.Reason, e.Note = "StorageMoveConfirmed", e.Note+"; nothing is lost, as --confirm-storage-complete said"
	}
	return e
}

// cannotTell keeps green what is, for a while. The end of ctx is no news of etcd.
func (f *Fence) cannotTell(ctx context.Context, err error) {
	silence := time.Since(f.answered)
	if ctx.Err() != nil || f.closedFor() == "" && silence < f.Timing.Outage {
		return
	}
	if was, closed := errors.AsType[*Refusal](f.Gate.Err()); !closed || was.Message != err.Error() {
		klog.FromContext(ctx).Error(err, "Nothing is served: whether etcd is the right one cannot be told")
	}
	f.Gate.set(&Refusal{Reason: NotVerified, Message: err.Error()})
}

// refuse tells administrators, once, that this process is red.
func (f *Fence) refuse(ctx context.Context) {
	if f.reported {
		return
	}
	f.reported = true
	tripped := f.Guard.tripped.Load()
	note := tripped.Message + "; everything is answered 503 and no controller runs. "
	switch {
	case tripped.contradicts:
		note += "--confirm-storage-complete says that nothing is lost, which is believed of a copy alone that is not behind: take it away to confirm the loss. "
	case f.Confirm != "":
		note += fmt.Sprintf("--confirm-storage-epoch=%s has no effect: that is not what is recorded, or this replica served before. ", f.Confirm)
	}
	recorded := f.mark.Epoch
	if recorded == "" {
		recorded = f.furthest().Epoch
	}
	note += "Put the right etcd back, or start with --confirm-storage-epoch=" + recorded + " to go on with what there is"
	// Under a server that ran, no etcd was moved.
	if tripped.Reason == EtcdReplaced && f.furthest().Epoch == "" {
		note += ", and with --confirm-storage-complete=" + recorded + " if it was moved while no server ran"
	}
	f.report(ctx, Event{Reason: "Storage" + string(tripped.Reason), Action: "Refuse", Warning: true, Note: note})
}

// pass opens the gate and remembers how far etcd was.
func (f *Fence) pass(ctx context.Context, store Store) {
	f.mu.Lock()
	f.seen = f.seen.advanced(store.Position)
	f.mu.Unlock()
	epochCreated.Set(float64(store.Created.Unix()))
	observeLoss(store.LossConfirmed)
	if f.closedFor() == "" {
		return
	}
	log := klog.FromContext(ctx)
	log.Info("Etcd is the right one", "epoch", store.Epoch, "beat", store.Beat, "revision", store.Revision)
	if f.Confirm != "" && f.Confirm == store.Epoch {
		log.Info("Take --confirm-storage-epoch away: nothing is lost, and at a later start it would confirm a loss that nobody has looked at", "epoch", f.Confirm)
	}
	f.Gate.open(store.LossConfirmed)
}

// awaitRight is what a red process does: it writes down what only it has seen, and
// waits until a new process would not be red.
func (f *Fence) awaitRight(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.Timing.Timeout)
	defer cancel()
	mark, err := f.Marks.Read(ctx)
	if err != nil {
		klog.FromContext(ctx).V(2).Info("The storage mark cannot be read", "err", err)
		return nil
	}
	if raised, needed := mark.raised(f.evidence()); needed {
		if err := f.Marks.Write(ctx, mark, raised.Position); err != nil {
			klog.FromContext(ctx).Error(err, "What this process has seen of etcd cannot be written down")
		}
		return nil
	}
	store, err := f.readStore(ctx)
	if err != nil {
		klog.FromContext(ctx).V(2).Info("Etcd cannot be read", "err", err)
		return nil
	}
	fresh := Judge(Situation{Store: store, Mark: mark})
	if fresh.Reason == "" || fresh.step == stepBegin {
		return ErrRestart
	}
	return nil
}

// furthest is what this process has seen while green.
func (f *Fence) furthest() Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// evidence is what the mark should say before this process ends. A guard sees revisions
// that no look has come to.
func (f *Fence) evidence() Position {
	p := f.furthest()
	if t := f.Guard.tripped.Load(); t != nil {
		p.Revision = max(p.Revision, t.lost)
	}
	return p
}

func (f *Fence) report(ctx context.Context, e Event) {
	log := klog.FromContext(ctx)
	if e.Warning {
		log.Error(nil, "Storage fence", "reason", e.Reason, "note", e.Note)
	} else {
		log.Info("Storage fence", "reason", e.Reason, "note", e.Note)
	}
	ctx, cancel := context.WithTimeout(ctx, f.Timing.Timeout)
	defer cancel()
	f.Reporter.Report(ctx, e)
}
