// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// inProcess returns the loopback configuration for a client that calls the handler
// instead of dialling it: the same filters, without TLS, framing and system calls on
// both ends of a connection to oneself.
func inProcess(loopback *rest.Config, handler http.Handler) *rest.Config {
	config := rest.CopyConfig(loopback)
	config.TLSClientConfig = rest.TLSClientConfig{}
	config.Host = "http://in-process"
	config.Transport = handlerTransport{handler}
	return config
}

// handlerTransport is an http.RoundTripper over a handler. Bodies of answers are streams,
// so watches work.
type handlerTransport struct {
	handler http.Handler
}

// RoundTrip implements http.RoundTripper. As over a connection, the handler runs until it
// returns, the context of the request ends, or the body of the answer is closed; then its
// writes fail, also one that waits to be read. What else the context carries stays on this side.
func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	body, writer := io.Pipe()
	answer := &streamedAnswer{header: http.Header{}, begun: make(chan struct{}), body: writer, gone: ctx}
	context.AfterFunc(ctx, func() { _ = writer.CloseWithError(context.Cause(ctx)) })
	go func() { cancel(t.serve(answer, incoming(serverSide{ctx}, r))) }() //nolint:contextcheck // it ends with ctx
	select {
	case <-answer.begun:
	case <-ctx.Done(): // also with a handler that has answered and returned
	}
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	select {
	case <-answer.begun:
	default:
		return nil, context.Cause(ctx)
	}
	return answer.response(r, &closing{ReadCloser: body, cancel: cancel}), nil
}

// serve returns io.EOF, or why the answer is not complete.
func (t handlerTransport) serve(answer *streamedAnswer, r *http.Request) (cause error) {
	defer r.Body.Close()
	defer func() {
		if reason := recover(); reason != nil { // logged by the filter that lets it pass
			cause = http.ErrAbortHandler
		}
	}()
	t.handler.ServeHTTP(answer, r)
	answer.begin(http.StatusOK)
	return io.EOF
}

// serverSide is the context of a request as its server sees it: it ends with that of the
// client, and carries nothing.
type serverSide struct {
	context.Context //nolint:containedctx // it is one
}

// Deadline implements context.Context.
func (serverSide) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (serverSide) Value(any) any { return nil }

// AfterFunc spares contexts below this one a goroutine each to watch it.
func (s serverSide) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(s.Context, f) }

// incoming is the request as a server sees it.
func incoming(ctx context.Context, r *http.Request) *http.Request {
	in := r.Clone(ctx)
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:0"
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/2.0", 2, 0
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	return in
}

// closing ends the handler with the body of its answer.
type closing struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (c *closing) Close() error {
	c.cancel(context.Canceled)
	return c.ReadCloser.Close()
}

// streamedAnswer is the http.ResponseWriter of one request.
type streamedAnswer struct {
	header http.Header
	once   sync.Once
	begun  chan struct{}
	body   *io.PipeWriter
	gone   context.Context //nolint:containedctx // CloseNotify has to answer from it

	// What the client sees, set before begun is closed.
	status int
	sent   http.Header
}

var (
	_ http.Flusher       = &streamedAnswer{}
	_ http.CloseNotifier = &streamedAnswer{} //nolint:staticcheck // k8s.io/apiserver wants it of every writer
)

func (a *streamedAnswer) begin(status int) {
	a.once.Do(func() {
		a.status, a.sent = status, a.header.Clone()
		close(a.begun)
	})
}

// Header implements http.ResponseWriter.
func (a *streamedAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *streamedAnswer) WriteHeader(status int) { a.begin(status) }

// Write implements http.ResponseWriter. It returns when the client has read everything.
func (a *streamedAnswer) Write(p []byte) (int, error) {
	a.begin(http.StatusOK)
	return a.body.Write(p)
}

// Flush implements http.Flusher: nothing is buffered but the header.
func (a *streamedAnswer) Flush() { a.begin(http.StatusOK) }

// CloseNotify implements http.CloseNotifier.
func (a *streamedAnswer) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	context.AfterFunc(a.gone, func() { gone <- true })
	return gone
}

func (a *streamedAnswer) response(r *http.Request, body io.ReadCloser) *http.Response {
	length := int64(-1)
	if declared, err := strconv.ParseInt(a.sent.Get("Content-Length"), 10, 64); err == nil {
		length = declared
	}
	return &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: a.sent, Body: body, ContentLength: length, Request: r,
	}
}
