// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.etcd.io/etcd/server/v3/embed"
)

// lifetime is what every kind of member has between start and stop.
type lifetime struct {
	ready chan struct{}
	// stopping tells the logger that what breaks now breaks on purpose.
	stopping *atomic.Bool
}

func newLifetime() lifetime {
	return lifetime{ready: make(chan struct{}), stopping: &atomic.Bool{}}
}

// Ready is closed once the member serves requests, which needs a leader. It
// stays open when Run fails before that.
func (l *lifetime) Ready() <-chan struct{} { return l.ready }

// serve runs a member until ctx is done or it fails. accompany, if any, runs
// beside it from the first moment; its error ends the member.
func (l *lifetime) serve(ctx context.Context, config *embed.Config, accompany func(context.Context, *embed.Etcd) error) error {
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return fmt.Errorf("starting etcd in %q: %w", config.Dir, err)
	}
	defer etcd.Close()
	company, leave := newCompany(ctx, etcd, accompany)
	defer leave()
	serving, err := l.await(ctx, watched{etcd, etcd.Server.ReadyNotify(), company})
	if !serving {
		// Close alone would wait for a readiness that no longer comes.
		etcd.Server.Stop()
		return err
	}
	close(l.ready)
	_, err = l.await(ctx, watched{etcd: etcd, company: company})
	return err
}

// newCompany runs f until leave is called, which waits for its end. The channel
// has its error, if it returns one.
func newCompany(ctx context.Context, etcd *embed.Etcd, f func(context.Context, *embed.Etcd) error) (errs <-chan error, leave func()) {
	if f == nil {
		return nil, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	failed, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		if err := f(ctx, etcd); err != nil && ctx.Err() == nil {
			failed <- err
		}
	}()
	return failed, func() {
		cancel()
		<-done
	}
}

// watched is what await looks at. A nil channel never says anything.
type watched struct {
	etcd    *embed.Etcd
	event   <-chan struct{}
	company <-chan error
}

// await reports whether event came before ctx ended or the member failed; only
// the last is an error.
func (l *lifetime) await(ctx context.Context, w watched) (bool, error) {
	select {
	case <-w.event:
		return true, nil
	case <-ctx.Done():
		l.stopping.Store(true)
		return false, nil
	case err := <-w.company:
		l.stopping.Store(true)
		return false, err
	case err := <-w.etcd.Err():
		return false, fmt.Errorf("serving etcd: %w", err)
	case <-w.etcd.Server.StopNotify():
		return false, errors.New("etcd stopped by itself; its log says why")
	}
}
