// SPDX-License-Identifier: Apache-2.0

// Command agent stands in for what runs in a sandbox: an HTTP server on :8080 that lets a
// test look at the container from inside, change its files, and make it crash.
//
//	GET  /hostname      the host name
//	GET  /environment   a line for each variable
//	GET  /files/PATH    the file
//	PUT  /files/PATH    writes it, and what it was written with is on disk when it answers
//	GET  /fetch?url=U   what another server answers, names resolved in this container
//	POST /crash         ends the process with exit code 3
//
// When asked to end it lingers for AGENT_LINGER (a duration) and then writes "goodbye" to
// the file AGENT_GOODBYE, if that is set.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	address      = ":8080"
	fetchTimeout = 5 * time.Second
	crashCode    = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	hostname, err := os.Hostname()
	if err != nil {
		return err
	}
	server := &http.Server{Addr: address, Handler: handler(), ReadHeaderTimeout: fetchTimeout}
	served := make(chan error, 1)
	go func() { served <- server.ListenAndServe() }()
	fmt.Printf("agent %s serves on %s\n", hostname, address)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		fmt.Println("asked to end")
		return goodbye()
	}
}

func goodbye() error {
	if linger, err := time.ParseDuration(os.Getenv("AGENT_LINGER")); err == nil {
		<-time.After(linger)
	}
	path := os.Getenv("AGENT_GOODBYE")
	if path == "" {
		return nil
	}
	return write(path, strings.NewReader("goodbye"))
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hostname", func(w http.ResponseWriter, _ *http.Request) {
		hostname, err := os.Hostname()
		answer(w, hostname, err)
	})
	mux.HandleFunc("GET /environment", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, strings.Join(os.Environ(), "\n"), nil)
	})
	mux.HandleFunc("GET /files/{path...}", func(w http.ResponseWriter, r *http.Request) {
		content, err := os.ReadFile(filepath.Join("/", r.PathValue("path")))
		answer(w, string(content), err)
	})
	mux.HandleFunc("PUT /files/{path...}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, "", write(filepath.Join("/", r.PathValue("path")), r.Body))
	})
	mux.HandleFunc("GET /fetch", func(w http.ResponseWriter, r *http.Request) {
		content, err := fetch(r.Context(), r.URL.Query().Get("url"))
		answer(w, content, err)
	})
	mux.HandleFunc("POST /crash", func(http.ResponseWriter, *http.Request) {
		fmt.Println("crashing as asked")
		os.Exit(crashCode)
	})
	return mux
}

func answer(w http.ResponseWriter, content string, err error) {
	switch {
	case errors.Is(err, os.ErrNotExist):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadGateway)
	default:
		_, _ = io.WriteString(w, content) // whom to tell when the client has gone?
	}
}

func write(path string, content io.Reader) error {
	file, err := os.Create(filepath.Clean(path))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Sync(), file.Close())
}

func fetch(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, content)
	}
	return string(content), err
}
