// SPDX-License-Identifier: Apache-2.0

package localtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	pollInterval  = 50 * time.Millisecond
	farewell      = "the stub says goodbye"
	brokenMessage = "the stub is broken"
)

// stubVariable makes this test binary be the server. It does what package local asks
// of a server, and no more, so that these tests are about package local.
const stubVariable = "LOCALTEST_BE_THE_SERVER"

// runStub serves the least that makes an APIService available.
func runStub(args []string) error {
	flags := flag.NewFlagSet("stub", flag.ContinueOnError)
	address := flags.String("bind-address", "", "")
	port := flags.String("secure-port", "", "")
	cert := flags.String("tls-cert-file", "", "")
	key := flags.String("tls-private-key-file", "", "")
	data := flags.String("data-dir", "", "")
	for _, unused := range []string{"kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig", "leader-elect-namespace", "etcd-servers"} {
		flags.String(unused, "", "")
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if os.Getenv(stubVariable) == "broken" {
		return errors.New(brokenMessage)
	}
	if *data != "" { // one of several replicas has none
		if err := os.MkdirAll(*data, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(*data, "marker"), nil, 0o644); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: net.JoinHostPort(*address, *port), Handler: http.HandlerFunc(serveStub), ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServeTLS(*cert, *key); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	println(farewell)
	return nil
}

func serveStub(w http.ResponseWriter, r *http.Request) {
	const groupVersion = "sandbox.agents.x-k8s.io/v1beta1"
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/readyz":
		fmt.Fprint(w, "ok")
	case strings.Trim(r.URL.Path, "/") == "apis/"+groupVersion:
		fmt.Fprintf(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":%q,"resources":[]}`, groupVersion)
	default:
		http.NotFound(w, r)
	}
}
