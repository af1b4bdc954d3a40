// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// traces collects what the server of the suite exports: every span.
var traces = &collector{}

// collector is what an OpenTelemetry collector is to the server.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer

	mu    sync.Mutex
	spans []*tracepb.Span
}

// serveTraces returns the path of a tracing configuration that names the collector.
func serveTraces() (config string, stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listening for traces: %w", err)
	}
	file, err := os.CreateTemp("", "observe-tracing-*.yaml")
	if err != nil {
		return "", nil, fmt.Errorf("writing the tracing configuration: %w", err)
	}
	defer file.Close()
	_, err = fmt.Fprintf(file, "apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\nendpoint: %s\nsamplingRatePerMillion: 1000000\n", listener.Addr())
	if err != nil {
		return "", nil, fmt.Errorf("writing the tracing configuration: %w", err)
	}
	server := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(server, traces)
	go func() { _ = server.Serve(listener) }()
	return file.Name(), func() {
		server.Stop()
		_ = os.Remove(file.Name())
	}, nil
}

// Export implements collectorpb.TraceServiceServer.
func (c *collector) Export(_ context.Context, request *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// path names the spans from the root of the trace to its latest span of that name.
func (c *collector) path(trace []byte, name string) []string {
	var names []string
	last := slices.IndexFunc(c.spans, func(s *tracepb.Span) bool { return s.GetName() == name && bytes.Equal(s.GetTraceId(), trace) })
	for last >= 0 {
		span := c.spans[last]
		names = append(names, span.GetName())
		last = slices.IndexFunc(c.spans, func(s *tracepb.Span) bool { return bytes.Equal(s.GetSpanId(), span.GetParentSpanId()) })
	}
	slices.Reverse(names)
	return names
}

// claimOf finds the trace of the first claim of a pool.
func (c *collector) claimOf(pool string) []byte {
	for _, span := range c.spans {
		for _, attribute := range span.GetAttributes() {
			if span.GetName() == "Claim" && attribute.GetKey() == "pool" && attribute.GetValue().GetStringValue() == pool {
				return span.GetTraceId()
			}
		}
	}
	return nil
}

func TestTraceOfAClaimReachesEtcd(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	newPool(ns, 1)
	_, err := ns.Claims().Create(t.Context(), harness.Claim("mine", "python"), metav1.CreateOptions{})
	require.NoError(t, err)
	want := []string{
		"POST /apis/sandbox.agents.x-k8s.io/v1beta1/namespaces/{:namespace}/sandboxclaims",
		"Create", "Claim", "Store claim and Sandbox", "Create etcd3", "GuaranteedUpdate etcd3", "Commit joined write", "etcdserverpb.KV/Txn",
	}
	ns.Eventually("the trace has been exported", func() error {
		traces.mu.Lock()
		defer traces.mu.Unlock()
		// The transaction is the last but not the only call of etcd, so it is looked for from below.
		have := traces.commit(traces.claimOf(ns.Name + "/python"))
		// The filters of the library are spans of their own in between.
		have = slices.DeleteFunc(have, func(name string) bool { return !slices.Contains(want, name) })
		if !slices.Equal(have, want) {
			return fmt.Errorf("it is %q, of %d spans", have, len(traces.spans))
		}
		return nil
	})
}

// commit is the path to the call of etcd below the joined write of a trace.
func (c *collector) commit(trace []byte) []string {
	above := c.path(trace, "Commit joined write")
	for _, span := range c.spans {
		if span.GetName() != "etcdserverpb.KV/Txn" || !bytes.Equal(span.GetTraceId(), trace) {
			continue
		}
		for _, parent := range c.spans {
			if bytes.Equal(parent.GetSpanId(), span.GetParentSpanId()) && parent.GetName() == "Commit joined write" {
				return append(above, span.GetName())
			}
		}
	}
	return above
}
