// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app/options"
	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd"
)

// Run starts etcd, then the server, and stops them in reverse when ctx ends.
// It returns early when either fails.
func Run(ctx context.Context, o options.Completed) error {
	go paceCollections(ctx)
	if o.EmbeddedEtcd == nil {
		return withEtcdCertificates(ctx, o, func(ctx context.Context) error { return serve(ctx, o) })
	}
	reportEtcd()
	return withEtcd(ctx, o.EmbeddedEtcd, func(ctx context.Context) error { return serve(ctx, o) })
}

func serve(ctx context.Context, o options.Completed) error {
	certificate, err := manageCertificate(ctx, o)
	if err != nil {
		return err
	}
	config, err := NewConfig(o)
	if err != nil {
		return err
	}
	// A replica with an etcd of its own has no others that connections could go to.
	if certificate != nil && o.EmbeddedEtcd == nil {
		config.Extra.Mover = certificate
	}
	return withCertificate(ctx, certificate, config, func(ctx context.Context) error {
		server, err := config.Complete().New()
		if err != nil {
			return err
		}
		return server.Run(ctx)
	})
}

// withEtcd runs work while the member runs. The member outlives ctx until work
// has returned; work's context ends when the member fails.
func withEtcd(ctx context.Context, member *embeddedetcd.Server, work func(context.Context) error) error {
	etcdCtx, stopEtcd := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEtcd()
	workCtx, stopWork := context.WithCancel(ctx)
	defer stopWork()

	failed := make(chan error, 1)
	go func() {
		failed <- member.Run(etcdCtx)
		stopWork()
	}()
	select {
	case <-member.Ready():
	case err := <-failed:
		return fmt.Errorf("starting the embedded etcd: %w", err)
	case <-ctx.Done():
		stopEtcd()
		return <-failed
	}
	workErr := work(workCtx)
	stopEtcd()
	return errors.Join(workErr, <-failed)
}
