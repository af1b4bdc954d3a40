// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bufio"
	"io"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// actions are the subresources that may be posted to without a body.
var actions = sets.New("suspend", "resume")

// buildHandlerChain is the stock chain around our one filter.
func buildHandlerChain(api http.Handler, config *genericapiserver.Config) http.Handler {
	return genericapiserver.DefaultBuildHandlerChain(withEmptyActionBody(api), config)
}

// withEmptyActionBody turns an empty body of an action into an empty object,
// so that `curl -X POST .../suspend` works. It needs the RequestInfo.
func withEmptyActionBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, ok := request.RequestInfoFrom(r.Context())
		if !ok || info.APIGroup != sandbox.GroupName || info.Verb != "create" || !actions.Has(info.Subresource) {
			next.ServeHTTP(w, r)
			return
		}
		body := bufio.NewReader(r.Body)
		if _, err := body.Peek(1); err == io.EOF {
			r.Header.Set("Content-Type", runtime.ContentTypeJSON)
			r.Body = io.NopCloser(strings.NewReader("{}"))
		} else {
			r.Body = struct {
				io.Reader
				io.Closer
			}{body, r.Body}
		}
		next.ServeHTTP(w, r)
	})
}
