// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"k8s.io/apiserver/pkg/server/egressselector"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/tracing"
)

// The same as storagebackend/factory: a dead server is noticed within 40 s, and
// a TLS handshake on a loaded small machine still gets through.
const (
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second
	dialTimeout      = 20 * time.Second
)

// connection is one etcd client and the compactor that runs on it, shared by
// all resources with the same connectionKey. The Backend counts its users.
type connection struct {
	client    *clientv3.Client
	compactor stoppableCompactor
	prefix    string
	users     int
}

// connectionKey is what two resources must agree on to share a connection.
// Tracer and egress belong to the process, so they are not part of it.
type connectionKey struct {
	servers, keyFile, certFile, caFile, prefix string
	compaction                                 time.Duration
}

func keyOf(c storagebackend.Config) connectionKey {
	return connectionKey{
		servers:    strings.Join(c.Transport.ServerList, ","),
		keyFile:    c.Transport.KeyFile,
		certFile:   c.Transport.CertFile,
		caFile:     c.Transport.TrustedCAFile,
		prefix:     c.Prefix,
		compaction: c.CompactionInterval,
	}
}

// close ends the compactor first, since it uses the client.
func (c *connection) close() {
	if c.compactor != nil {
		c.compactor.Stop()
	}
	// The server behind it is going away or gone; there is nothing to save.
	_ = c.client.Close()
}

// dial returns a client that is connected, or fails within dialTimeout.
func dial(c storagebackend.TransportConfig, options []grpc.DialOption) (*clientv3.Client, error) {
	if len(c.ServerList) == 0 {
		return nil, errors.New("no etcd servers given")
	}
	config := clientv3.Config{
		Endpoints:            c.ServerList,
		DialTimeout:          dialTimeout,
		DialKeepAliveTime:    keepaliveTime,
		DialKeepAliveTimeout: keepaliveTimeout,
		DialOptions:          slices.Concat(options, instrumentation(c)),
	}
	if c.CertFile != "" || c.KeyFile != "" || c.TrustedCAFile != "" {
		info := transport.TLSInfo{CertFile: c.CertFile, KeyFile: c.KeyFile, TrustedCAFile: c.TrustedCAFile}
		tlsConfig, err := info.ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("reading TLS files for etcd: %w", err)
		}
		config.TLS = tlsConfig
	}
	egress, err := egressOption(c)
	if err != nil {
		return nil, err
	}
	config.DialOptions = append(config.DialOptions, egress...)

	client, err := clientv3.New(config)
	if err != nil {
		return nil, fmt.Errorf("creating etcd client: %w", err)
	}
	if err := awaitConnection(client.ActiveConnection()); err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("connecting to etcd at %q: %w", c.ServerList, err)
	}
	return client, nil
}

// instrumentation adds the metrics and spans that every attempt leaves, below
// the client's own retries.
func instrumentation(c storagebackend.TransportConfig) []grpc.DialOption {
	metrics := grpcMetrics()
	spans := []otelgrpc.Option{
		otelgrpc.WithMessageEvents(otelgrpc.ReceivedEvents, otelgrpc.SentEvents),
		otelgrpc.WithPropagators(tracing.Propagators()),
	}
	if c.TracerProvider != nil {
		spans = append(spans, otelgrpc.WithTracerProvider(c.TracerProvider))
	}
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(metrics.UnaryClientInterceptor()),
		grpc.WithChainStreamInterceptor(metrics.StreamClientInterceptor()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(spans...)),
	}
}

// grpcMetrics finds the collector that storagebackend/factory registers for its
// own clients, so that ours are counted in the same series.
func grpcMetrics() *grpcprom.ClientMetrics {
	metrics := grpcprom.NewClientMetrics()
	err := legacyregistry.Registerer().Register(metrics)
	if registered, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := registered.ExistingCollector.(*grpcprom.ClientMetrics); ok {
			return existing
		}
	}
	return metrics
}

// egressOption sends the connection through the egress selector's proxy, if one
// is configured for etcd.
func egressOption(c storagebackend.TransportConfig) ([]grpc.DialOption, error) {
	if c.EgressLookup == nil {
		return nil, nil
	}
	dialer, err := c.EgressLookup(egressselector.Etcd.AsNetworkContext())
	if err != nil {
		return nil, fmt.Errorf("looking up egress to etcd: %w", err)
	}
	if dialer == nil {
		return nil, nil
	}
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		return dialer(ctx, "tcp", address)
	}
	return []grpc.DialOption{grpc.WithContextDialer(dial)}, nil
}

// awaitConnection blocks until the first connection stands, so that a wrong
// address or certificate fails the start instead of the first request.
func awaitConnection(conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	for {
		state := conn.GetState()
		switch state {
		case connectivity.Ready:
			return nil
		case connectivity.Idle:
			conn.Connect()
		}
		if !conn.WaitForStateChange(ctx, state) {
			return fmt.Errorf("no connection after %v, last state %s", dialTimeout, state)
		}
	}
}
