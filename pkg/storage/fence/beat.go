// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/klog/v2"
)

// Keep writes beats while work runs, and a last one when it has returned, so that a
// backup from before an orderly stop is known to be one. Only the leader calls it;
// two who do disturb each other and nothing else.
func (f *Fence) Keep(ctx context.Context, work func(context.Context)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(ctx)
	}()
	ticker := time.NewTicker(f.Timing.Beat)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			f.tryBeat(context.WithoutCancel(ctx))
			return
		case <-ticker.C:
			f.tryBeat(ctx)
		}
	}
}

func (f *Fence) tryBeat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, f.Timing.Timeout)
	defer cancel()
	switch err := f.beat(ctx); {
	case errors.Is(err, errLost), f.closedFor() != "":
	case err != nil:
		beats.WithLabelValues("error").Inc()
		klog.FromContext(ctx).Error(err, "The storage mark stays behind")
	}
}

// beat puts the counter up where there were writes, first in etcd, then in the mark.
func (f *Fence) beat(ctx context.Context) error {
	if f.closedFor() != "" {
		return nil
	}
	glance, err := f.etcd.read(ctx)
	if err != nil {
		return err
	}
	if !glance.beatDue() && f.recorded(glance) {
		return nil
	}
	// The order of reading matters, see readMark.
	mark, err := f.Marks.Read(ctx)
	if err != nil {
		return err
	}
	store, err := f.etcd.read(ctx)
	if err != nil {
		return err
	}
	if v := Judge(Situation{Store: store, Mark: mark, Seen: f.furthest()}); v.Reason != "" {
		return fmt.Errorf("beating: %s: %s", v.Reason, v.Message)
	}
	if store.beatDue() {
		if store, err = f.etcd.write(ctx, store, store.next()); err != nil {
			return err
		}
	}
	if mark.Beat == store.Beat && mark.Cluster == store.Cluster {
		f.setRecorded(store)
		return nil
	}
	if err := f.Marks.Write(ctx, mark, store.Position); err != nil {
		return err
	}
	f.setRecorded(store)
	beats.WithLabelValues("success").Inc()
	return nil
}

// recorded says whether this process wrote the beat into the mark.
func (f *Fence) recorded(store Store) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.written.Epoch == store.Epoch && f.written.Beat == store.Beat
}

func (f *Fence) setRecorded(store Store) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written = store.Position
}
