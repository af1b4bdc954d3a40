// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/apiserver/pkg/endpoints/request"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

func TestEmptyActionBody(t *testing.T) {
	for name, c := range map[string]struct {
		group, verb, subresource, body, want string
	}{
		"empty":             {sandbox.GroupName, "create", "suspend", "", "{}"},
		"empty resume":      {sandbox.GroupName, "create", "resume", "", "{}"},
		"given":             {sandbox.GroupName, "create", "suspend", `{"a":1}`, `{"a":1}`},
		"no action":         {sandbox.GroupName, "create", "", "", ""},
		"a claim needs one": {sandbox.GroupName, "create", "claim", "", ""},
		"another verb":      {sandbox.GroupName, "get", "suspend", "", ""},
		"another group":     {"apps", "create", "suspend", "", ""},
	} {
		var got, contentType string
		handler := withEmptyActionBody(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err, name)
			got, contentType = string(body), r.Header.Get("Content-Type")
		}))
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/vnd.kubernetes.protobuf")
		handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(request.WithRequestInfo(r.Context(), &request.RequestInfo{
			APIGroup: c.group, Verb: c.verb, Subresource: c.subresource,
		})))
		assert.Equal(t, c.want, got, name)
		assert.Equal(t, c.body == "" && c.want == "{}", contentType == "application/json", name)
	}
}
