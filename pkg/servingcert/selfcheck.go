// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"time"

	"k8s.io/apiserver/pkg/server/healthz"
)

// dialTimeout is for a listener of this process.
const dialTimeout = 5 * time.Second

// SelfCheck returns a readiness check: a TLS handshake with the listener at address, for the name of the Service, trusting
// what the APIService said last. It fails until the APIService has been read once; a cluster that does not answer later
// changes nothing.
func (m *Manager) SelfCheck(address net.Addr) healthz.HealthChecker {
	target := reachable(address)
	return healthz.NamedCheck("serving-certificate", func(r *http.Request) error {
		err := m.check(r.Context(), target)
		selfCheck.Set(boolean(err == nil))
		return err
	})
}

func (m *Manager) check(ctx context.Context, target string) error {
	bundle := m.publisher.seen.Load()
	if bundle == nil {
		return fmt.Errorf("APIService %s has not been read yet", m.publisher.apiService)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(*bundle) {
		return fmt.Errorf("spec.caBundle of APIService %s holds no certificate", m.publisher.apiService)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: m.name, MinVersion: tls.VersionTLS12}}
	connection, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return fmt.Errorf("verifying the serving certificate with spec.caBundle of APIService %s: %w", m.publisher.apiService, err)
	}
	return connection.Close()
}

// reachable is the address to dial for a listener that may listen on all.
func reachable(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return address.String()
	}
	// An empty host is this machine, in whichever family there is.
	return net.JoinHostPort("", fmt.Sprint(tcp.Port))
}
