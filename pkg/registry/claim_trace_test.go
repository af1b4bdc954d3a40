// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapifilters "k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// spans are those of one trace, by name. A name that comes twice stands for the last.
type spans map[string]tracetest.SpanStub

// above are the names of the spans from the parent of a span to the root.
func (s spans) above(name string) []string {
	var names []string
	for span, ok := s[name]; ok; {
		ok = false
		for _, other := range s {
			if span.Parent.SpanID() == other.SpanContext.SpanID() {
				names = append(names, other.Name)
				span, ok = other, true
				break
			}
		}
	}
	return names
}

func TestTraceOfAClaimReachesTheTransaction(t *testing.T) {
	s := withPool(t)
	s.warm("one")
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	info, _ := request.RequestInfoFrom(s.on("sandboxclaims"))
	// The handler of apiserver, without what has nothing to do with spans.
	door := genericapifilters.WithTracing(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := request.WithNamespace(request.WithRequestInfo(r.Context(), info), namespace)
		_, err := s.storage["sandboxclaims"].(rest.Creater).Create(ctx, newClaim("mine"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
		assert.NoError(t, err)
	}), provider)
	door.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))

	trace := spans{}
	for _, span := range exporter.GetSpans() {
		trace[span.Name] = span
	}
	require.Contains(t, trace, "Commit joined write")
	assert.Equal(t, []string{"GuaranteedUpdate etcd3", "Create etcd3", "Store claim and Sandbox", "Claim", "POST"}, trace.above("Commit joined write"))
	assert.Equal(t, []string{"Claim", "POST"}, trace.above("Choose Sandbox"))
	for name, span := range trace {
		assert.Equal(t, trace["POST"].SpanContext.TraceID(), span.SpanContext.TraceID(), name)
	}
	assert.Equal(t, "warm", trace["Claim"].Events[0].Attributes[0].Value.AsString(), "it says how it was answered")
}
