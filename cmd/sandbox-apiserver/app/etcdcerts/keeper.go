// SPDX-License-Identifier: Apache-2.0

package etcdcerts

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"agents.x-k8s.io/sandbox-apiserver/pkg/authority"
)

const (
	// Secret holds the authority.
	Secret = "sandbox-etcd-ca"

	day = 24 * time.Hour
	// lifetime is long: a rotation restarts every process that trusts the authority.
	lifetime = 10 * 365 * day
	// leafLifetime outlasts any time that etcd should run without kube-apiserver.
	leafLifetime = 30 * day
	// Spread is the time in which every process restarts to trust the next authority.
	Spread = time.Hour

	retryInterval = 2 * time.Second
)

// Options say whose certificate is kept where.
type Options struct {
	Client    kubernetes.Interface
	Namespace string
	Directory string
	Request   authority.Request
	// Turn returns when this process may end to trust other authorities.
	Turn func(context.Context)
}

// Keeper keeps one certificate.
type Keeper struct {
	authority *authority.Authority
	files     *authority.Files
	turn      func(context.Context)
	changed   chan struct{}
}

// New reads and writes nothing.
func New(o Options) (*Keeper, error) {
	a, err := authority.New(authority.Options{
		Client: o.Client, Namespace: o.Namespace, Name: Secret, KeyPrefix: "sandbox.agents.x-k8s.io",
		Lifetime: lifetime, LeafLifetime: leafLifetime, Spread: Spread,
	})
	if err != nil {
		return nil, err
	}
	k := &Keeper{authority: a, turn: o.Turn, changed: make(chan struct{}, 1)}
	k.files = authority.NewFiles(a, authority.FilesOptions{
		Directory: o.Directory, Request: o.Request, BundleChanged: func() { authority.Signal(k.changed) },
	})
	return k, nil
}

// Around writes the files, then runs work and keeps them up to date meanwhile. Work's
// context ends with ctx, and when the process has to be started again.
func (k *Keeper) Around(ctx context.Context, work func(context.Context) error) error {
	if err := k.write(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer cancel()
	for _, keep := range []func(context.Context) error{k.authority.Run, k.files.Run} {
		keeping.Go(func() {
			if err := keep(ctx); err != nil {
				klog.FromContext(ctx).Error(err, "Keeping the certificates of etcd")
			}
		})
	}
	keeping.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-k.changed:
		}
		klog.FromContext(ctx).Info("The authorities of etcd have changed: waiting for the turn to start again", "secret", Secret)
		k.turn(ctx)
		klog.FromContext(ctx).Info("Ending, to be started again with the new authorities of etcd", "secret", Secret)
		cancel()
	})
	return work(ctx)
}

// write tries until the files are there: at the first start of a cluster there may not
// even be an API server yet.
func (k *Keeper) write(ctx context.Context) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, retryInterval, true, func(ctx context.Context) (bool, error) {
		err := k.authority.Ensure(ctx)
		if err == nil {
			err = k.files.Write()
		}
		if err != nil && (last == nil || last.Error() != err.Error()) {
			klog.FromContext(ctx).Error(err, "Waiting for the certificates of etcd")
		}
		last = err
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the certificates of etcd: %w", errors.Join(err, last))
	}
	return nil
}
