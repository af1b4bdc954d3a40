// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"crypto/x509"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
)

// lateAuthority has content some time after Run was called; never, when late is 0.
type lateAuthority struct {
	late    time.Duration
	content atomic.Value
}

func (a *lateAuthority) Name() string { return "late" }

func (a *lateAuthority) CurrentCABundleContent() []byte {
	content, _ := a.content.Load().([]byte)
	return content
}

func (a *lateAuthority) VerifyOptions() (x509.VerifyOptions, bool) {
	return x509.VerifyOptions{}, false
}

func (a *lateAuthority) AddListener(dynamiccertificates.Listener) {}

func (a *lateAuthority) RunOnce(context.Context) error { return nil }

func (a *lateAuthority) Run(ctx context.Context, _ int) {
	if a.late > 0 && pause(ctx, a.late) {
		a.content.Store([]byte("certificate"))
	}
}

func TestServingWaitsForAuthorities(t *testing.T) {
	for name, test := range map[string]struct {
		users, proxy time.Duration
		want         time.Duration
		wantErr      error
	}{
		"both come":              {users: 100 * time.Millisecond, proxy: 50 * time.Millisecond, want: 100 * time.Millisecond},
		"in the other order":     {users: 50 * time.Millisecond, proxy: 100 * time.Millisecond, want: 100 * time.Millisecond},
		"a cluster without any":  {proxy: 50 * time.Millisecond, want: authoritiesWithin, wantErr: errNoAuthorities},
		"no word of the cluster": {want: authoritiesWithin, wantErr: errNoAuthorities},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				users, proxy := &lateAuthority{late: test.users}, &lateAuthority{late: test.proxy}
				config := &genericapiserver.Config{SecureServing: &genericapiserver.SecureServingInfo{}}
				config.Authentication.RequestHeaderConfig = &authenticatorfactory.RequestHeaderConfig{CAContentProvider: proxy}
				require.NoError(t, config.Authentication.ApplyClientCert(users, config.SecureServing))
				require.NoError(t, config.Authentication.ApplyClientCert(proxy, config.SecureServing))
				awaitAuthorities(config)
				assertWait(t, config, test.want, test.wantErr)
			})
		})
	}
}

func TestServingWaitsForTheOnlyAuthority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proxy := &lateAuthority{late: time.Second}
		config := &genericapiserver.Config{SecureServing: &genericapiserver.SecureServingInfo{ClientCA: proxy}}
		config.Authentication.RequestHeaderConfig = &authenticatorfactory.RequestHeaderConfig{CAContentProvider: proxy}
		awaitAuthorities(config)
		assertWait(t, config, time.Second, nil)
	})
}

// assertWait does what the generic server does before it serves.
func assertWait(t *testing.T, config *genericapiserver.Config, want time.Duration, wantErr error) {
	t.Helper()
	runner, ok := config.SecureServing.ClientCA.(dynamiccertificates.ControllerRunner)
	require.True(t, ok)
	ctx, stop := context.WithCancel(t.Context())
	begin := time.Now()
	require.ErrorIs(t, runner.RunOnce(ctx), wantErr)
	assert.InDelta(t, want, time.Since(begin), float64(authoritiesPoll))
	go runner.Run(ctx, 1)
	stop()
}

func TestServingWithoutCertificatesWaitsForNothing(t *testing.T) {
	config := &genericapiserver.Config{SecureServing: &genericapiserver.SecureServingInfo{}}
	awaitAuthorities(config)
	assert.Nil(t, config.SecureServing.ClientCA)
}
