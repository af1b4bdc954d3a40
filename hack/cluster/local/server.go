// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

const (
	// stopGrace is how long Stop waits for the server to end by itself, as long as the Pod
	// of a real installation gets.
	stopGrace = 95 * time.Second
	// availableTimeout is how long a start may take until clients can use the API.
	availableTimeout = 2 * time.Minute
)

// Server is a sandbox-apiserver process of a cluster. It keeps address, certificate,
// identity and data over restarts. It is not safe for concurrent use, nor is it together
// with the Cluster or another Server of it; Address, CAFile, LogPath and RESTConfig are.
type Server struct {
	cluster *Cluster
	// name is "sandbox-apiserver" for the first one, and begins with that for all.
	name   string
	state  *serverState
	binary string
	args   []string
}

// Start starts the process and returns when clients of the cluster can use the API:
// the server is ready, its APIService Available, and kube-apiserver proxies to it. It
// does nothing but wait when the process is running already. Arguments are those of
// this life only, after all others.
func (s *Server) Start(ctx context.Context, args ...string) error {
	if err := s.Launch(args...); err != nil {
		return err
	}
	return s.WaitAvailable(ctx)
}

// Launch starts the process and returns at once: the server may not be ready yet, and
// kube-apiserver not have noticed. It does nothing when the process is running already.
// Arguments are those of this life only, after all others.
func (s *Server) Launch(args ...string) error {
	if s.Running() {
		return nil
	}
	digest, err := fileDigest(s.binary)
	if err != nil {
		return err
	}
	record, err := s.cluster.launch(s.name, s.binary, slices.Concat(s.standardArgs(), s.args, args)...)
	if err != nil {
		return err
	}
	s.state.Server, s.state.ServerDigest = &record, digest
	return s.cluster.writeState()
}

// standardArgs are the command line: serve on loopback, be the ServiceAccount, keep the
// data in the cluster's directory, or in the etcd of all replicas.
func (s *Server) standardArgs() []string {
	paths := s.cluster.paths
	data := "--data-dir=" + s.DataDir()
	if members := s.etcdServers(); len(members) > 0 {
		data = "--etcd-servers=" + strings.Join(members, ",")
	}
	args := []string{
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(s.state.ServerPort),
		"--kubeconfig=" + paths.serverKubeconfig(),
		"--authentication-kubeconfig=" + paths.serverKubeconfig(),
		"--authorization-kubeconfig=" + paths.serverKubeconfig(),
		data,
		"--leader-elect-namespace=" + SystemNamespace,
	}
	if serving := paths.serving(s.name); s.cluster.state.CertificateFiles {
		args = append(args, "--tls-cert-file="+serving.cert, "--tls-private-key-file="+serving.key)
	}
	return args
}

// Stop asks the process to end as a kubelet would, and returns when it has. A process
// that is still there after stopGrace is killed, which is an error. Stopping a stopped server
// is none.
func (s *Server) Stop(ctx context.Context) error {
	record, ok := s.record()
	if !ok {
		return nil
	}
	if err := record.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	graceful, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if err := process.WaitEnded(graceful, record); err != nil {
		return errors.Join(fmt.Errorf("stopping %s gracefully: %w", s.name, err), s.Kill(ctx))
	}
	return s.forget()
}

// Kill ends the process with SIGKILL and returns when it is gone. Killing a stopped
// server is no error.
func (s *Server) Kill(ctx context.Context) error {
	record, ok := s.record()
	if !ok {
		return nil
	}
	if err := process.End(ctx, 0, record); err != nil {
		return err
	}
	return s.forget()
}

// Restart is Stop and Start.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}

// WipeData deletes the server's embedded etcd, as a lost disk would. The server must be stopped.
func (s *Server) WipeData() error {
	if s.cluster.state.Shared != nil {
		return fmt.Errorf("wiping the data of %s: it has none of its own: its etcd is that of all replicas", s.name)
	}
	if s.Running() {
		return fmt.Errorf("wiping the data of sandbox-apiserver: it is running: stop or kill it first")
	}
	if err := os.RemoveAll(s.DataDir()); err != nil {
		return fmt.Errorf("wiping the data of sandbox-apiserver: %w", err)
	}
	return nil
}

// Running says whether the process exists, whatever it is doing.
func (s *Server) Running() bool {
	_, ok := s.record()
	return ok
}

// PID is the process id, 0 when the server is not running.
func (s *Server) PID() int {
	record, _ := s.record()
	return record.PID
}

// Address is host and port the server listens on. Its certificate is for
// sandbox-apiserver.sandbox-system.svc, localhost and 127.0.0.1.
func (s *Server) Address() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.state.ServerPort))
}

// LogPath is the log of all its lives, one after the other.
func (s *Server) LogPath() string { return s.cluster.paths.log(s.name) }

// DataDir is where a single server keeps its embedded etcd.
func (s *Server) DataDir() string { return s.cluster.paths.serverData() }

// Kubeconfig is the path of the one the server uses: it is the server's ServiceAccount.
func (s *Server) Kubeconfig() string { return s.cluster.paths.serverKubeconfig() }

// RESTConfig returns a new configuration of an administrator's client that reaches this
// very process, without kube-apiserver in between. It has no client-side rate limits.
func (s *Server) RESTConfig() *rest.Config {
	config := s.cluster.RESTConfig()
	config.Host = "https://" + s.Address()
	config.CAFile, config.CAData = s.CAFile(), nil
	return config
}

func (s *Server) record() (process.Record, bool) {
	record := s.state.Server
	if record == nil || !record.Alive() {
		return process.Record{}, false
	}
	return *record, true
}

func (s *Server) forget() error {
	s.state.Server = nil
	return s.cluster.writeState()
}

// outdated says whether the running process is of another binary than the one there is.
func (s *Server) outdated() (bool, error) {
	digest, err := fileDigest(s.binary)
	return digest != s.state.ServerDigest, err
}

func fileDigest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the server binary: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("reading the server binary: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// tail returns the last lines of a file, or why there are none.
func tail(path string, lines int) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimRight(raw, "\n"), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}
