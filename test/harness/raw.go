// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"io"
	"net/http"
	"strings"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
)

// Request is an HTTP request as no client library would send it. What is empty is not sent.
type Request struct {
	Method string
	// Path begins below the namespace in our group: "sandboxes/dev/suspend".
	Path                string
	Body                string
	ContentType, Accept string
}

// Response is what came back.
type Response struct {
	Code   int
	Header http.Header
	Body   string
}

// Do sends a request through kube-apiserver, as administrator.
func (s *Space) Do(request Request) Response {
	s.T.Helper()
	config := s.Cluster.RESTConfig()
	client, err := rest.HTTPClientFor(config)
	require.NoError(s.T, err)
	var body io.Reader
	if request.Body != "" {
		body = strings.NewReader(request.Body)
	}
	url := config.Host + s.Path(request.Path)
	sent, err := http.NewRequestWithContext(s.T.Context(), request.Method, url, body)
	require.NoError(s.T, err)
	for key, value := range map[string]string{"Content-Type": request.ContentType, "Accept": request.Accept} {
		if value != "" {
			sent.Header.Set(key, value)
		}
	}
	answer, err := client.Do(sent)
	require.NoError(s.T, err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	require.NoError(s.T, err)
	return Response{Code: answer.StatusCode, Header: answer.Header, Body: string(content)}
}

// Path is that of something in the namespace in our group, for kubectl --raw.
func (s *Space) Path(below string) string {
	return "/apis/sandbox.agents.x-k8s.io/v1beta1/namespaces/" + s.Name + "/" + below
}
