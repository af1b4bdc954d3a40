// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"time"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
)

const (
	// authoritiesWithin bounds the wait for the authorities of client certificates. A
	// cluster need not have any but that of kube-apiserver.
	authoritiesWithin = 10 * time.Second
	authoritiesPoll   = 10 * time.Millisecond
)

var errNoAuthorities = errors.New("the authorities of client certificates are not known yet: their users are anonymous until then")

// authorities are those of client certificates, as the generic server runs them. It begins
// to serve when RunOnce returns. The stock RunOnce reads a cache that nobody has filled,
// so that for a moment whoever comes with a certificate would be anonymous, and be told
// 403. This one waits: connections that were opened meanwhile are served then.
type authorities struct {
	dynamiccertificates.CAContentProvider
	dynamiccertificates.ControllerRunner
	known func() bool
}

// awaitAuthorities changes the configuration so that the server serves nobody before it
// knows who is who.
func awaitAuthorities(config *genericapiserver.Config) {
	all := config.SecureServing.ClientCA
	runner, ok := all.(dynamiccertificates.ControllerRunner)
	if !ok {
		return
	}
	known := func() bool { return len(all.CurrentCABundleContent()) > 0 }
	// Two parts that are loaded one by one: users', and that of kube-apiserver.
	if proxy := config.Authentication.RequestHeaderConfig; proxy != nil && proxy.CAContentProvider != all {
		known = func() bool {
			part := len(proxy.CAContentProvider.CurrentCABundleContent())
			return part > 0 && len(all.CurrentCABundleContent()) > part
		}
	}
	config.SecureServing.ClientCA = &authorities{CAContentProvider: all, ControllerRunner: runner, known: known}
}

// RunOnce starts what Run of the wrapped ones does, until ctx ends, and waits for the first
// content.
func (a *authorities) RunOnce(ctx context.Context) error {
	go a.ControllerRunner.Run(ctx, 1)
	deadline, cancel := context.WithTimeout(ctx, authoritiesWithin)
	defer cancel()
	for !a.known() {
		if !pause(deadline, authoritiesPoll) {
			return errNoAuthorities
		}
	}
	return nil
}

// Run has been started by RunOnce.
func (a *authorities) Run(ctx context.Context, _ int) { <-ctx.Done() }
