// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
)

func call(t *testing.T, handler http.HandlerFunc, r *http.Request) (*http.Response, error) {
	t.Helper()
	config := inProcess(&rest.Config{Host: "https://[::1]:6443", BearerToken: "secret", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("pem")}}, handler)
	client, err := rest.HTTPClientFor(config)
	require.NoError(t, err)
	return client.Do(r)
}

func newRequest(ctx context.Context, t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "http://in-process"+path, strings.NewReader(body))
	require.NoError(t, err)
	return r
}

type valueKey struct{}

func TestInProcessCall(t *testing.T) {
	ctx := context.WithValue(t.Context(), valueKey{}, "the client's")
	response, err := call(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, "body", string(body))
		assert.Equal(t, "/apis?limit=1", r.RequestURI)
		assert.Equal(t, "Bearer secret", r.Header.Get("Authorization"))
		assert.Nil(t, r.TLS)
		assert.Nil(t, r.Context().Value(valueKey{}), "as over a connection")
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("Late", "yes")
		_, err = io.WriteString(w, "answer")
		assert.NoError(t, err)
	}, newRequest(ctx, t, http.MethodPost, "/apis?limit=1", "body"))
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, "answer", string(body))
	assert.Equal(t, http.StatusCreated, response.StatusCode)
	assert.Equal(t, "text/plain", response.Header.Get("Content-Type"))
	assert.Empty(t, response.Header.Get("Late"))
}

func TestInProcessAnswerWithoutBody(t *testing.T) {
	for range 1000 { // the answer and the end of the handler come at once
		response, err := call(t, func(http.ResponseWriter, *http.Request) {}, newRequest(t.Context(), t, http.MethodGet, "/", ""))
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, errors.Join(err, response.Body.Close()))
		assert.Empty(t, body)
		assert.Equal(t, http.StatusOK, response.StatusCode)
	}
}

// TestInProcessStream: what is written is read at once, until the client has enough.
func TestInProcessStream(t *testing.T) {
	next, left := make(chan string), make(chan error, 1)
	response, err := call(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush() //nolint:forcetypeassert // the server wants no less
		for {
			select {
			case line := <-next:
				_, _ = io.WriteString(w, line+"\n")
			case <-w.(http.CloseNotifier).CloseNotify(): //nolint:staticcheck,forcetypeassert // likewise
				<-r.Context().Done()
				_, err := io.WriteString(w, "nobody reads this")
				left <- err
				return
			}
		}
	}, newRequest(t.Context(), t, http.MethodGet, "/?watch=1", ""))
	require.NoError(t, err)
	lines := bufio.NewReader(response.Body)
	for _, line := range []string{"one", "two"} {
		next <- line
		read, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, line+"\n", read)
	}
	require.NoError(t, response.Body.Close())
	require.ErrorIs(t, <-left, io.ErrClosedPipe)
}

func TestInProcessEndsWithTheContextOfTheClient(t *testing.T) {
	t.Run("before the answer", func(t *testing.T) {
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		_, err := call(t, func(w http.ResponseWriter, r *http.Request) { //nolint:bodyclose // there is none
			cancel(cause)
			<-r.Context().Done()
			_, err := io.WriteString(w, "nobody reads this")
			ended <- err
		}, newRequest(ctx, t, http.MethodGet, "/", ""))
		require.ErrorIs(t, err, cause)
		require.ErrorIs(t, <-ended, io.ErrClosedPipe)
	})
	t.Run("within the answer", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		response, err := call(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			_, err := io.WriteString(w, "nobody reads this")
			ended <- err
		}, newRequest(ctx, t, http.MethodGet, "/", ""))
		require.NoError(t, err)
		defer response.Body.Close()
		cancel()
		require.ErrorIs(t, <-ended, io.ErrClosedPipe)
		_, err = io.ReadAll(response.Body)
		require.ErrorIs(t, err, context.Canceled, "an answer that is not complete must not look complete")
	})
}

func TestInProcessPanics(t *testing.T) {
	_, err := call(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, newRequest(t.Context(), t, http.MethodGet, "/", "")) //nolint:bodyclose // there is none
	require.ErrorIs(t, err, http.ErrAbortHandler)

	response, err := call(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		panic("in the middle")
	}, newRequest(t.Context(), t, http.MethodGet, "/", ""))
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.ReadAll(response.Body)
	require.ErrorIs(t, err, http.ErrAbortHandler, "an answer that is not complete must not look complete")
}
