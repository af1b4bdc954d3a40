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
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

const (
	// stopGrace is how long Stop waits for the server to end by itself. The Pod of a
	// real installation gets 60 s.
	stopGrace = 75 * time.Second
	// availableTimeout is how long a start may take until clients can use the API.
	availableTimeout = 2 * time.Minute
)

// Server is the sandbox-apiserver process of a cluster. It keeps address, certificate,
// identity and data over restarts. It is not safe for concurrent use.
type Server struct {
	cluster *Cluster
	binary  string
	args    []string
}

// Start starts the process and returns when clients of the cluster can use the API:
// the server is ready, its APIService Available, and kube-apiserver proxies to it. It
// does nothing but wait when the process is running already.
func (s *Server) Start(ctx context.Context) error {
	if err := s.Launch(); err != nil {
		return err
	}
	return s.WaitAvailable(ctx)
}

// Launch starts the process and returns at once: the server may not be ready yet, and
// kube-apiserver not have noticed. It does nothing when the process is running already.
func (s *Server) Launch() error {
	if s.Running() {
		return nil
	}
	paths, state := s.cluster.paths, s.cluster.state
	if err := os.MkdirAll(filepath.Dir(paths.serverLog()), 0o755); err != nil {
		return fmt.Errorf("making the log directory: %w", err)
	}
	digest, err := fileDigest(s.binary)
	if err != nil {
		return err
	}
	record, err := process.Start(process.Spec{
		Program: s.binary,
		Args:    append(serverArgs(paths, state.ServerPort), s.args...),
		Dir:     paths.dir,
		LogFile: paths.serverLog(),
	})
	if err != nil {
		return err
	}
	state.Server, state.ServerDigest = &record, digest
	return state.write(paths.state())
}

// serverArgs is the standard command line: serve on loopback, be the ServiceAccount,
// keep the data in the cluster's directory.
func serverArgs(paths layout, port int) []string {
	return []string{
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + paths.servingCert(),
		"--tls-private-key-file=" + paths.servingKey(),
		"--kubeconfig=" + paths.serverKubeconfig(),
		"--authentication-kubeconfig=" + paths.serverKubeconfig(),
		"--authorization-kubeconfig=" + paths.serverKubeconfig(),
		"--data-dir=" + paths.serverData(),
		"--leader-elect-namespace=" + SystemNamespace,
	}
}

// Stop asks the process to end as a kubelet would, and returns when it has. A process
// that is still there after 75 s is killed, which is an error. Stopping a stopped server
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
		return errors.Join(fmt.Errorf("stopping sandbox-apiserver gracefully: %w", err), s.Kill(ctx))
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

// WipeData deletes the server's etcd, as a lost disk would. The server must be stopped.
func (s *Server) WipeData() error {
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
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.cluster.state.ServerPort))
}

// LogPath is the log of all its lives, one after the other.
func (s *Server) LogPath() string { return s.cluster.paths.serverLog() }

// DataDir is where the server keeps its embedded etcd.
func (s *Server) DataDir() string { return s.cluster.paths.serverData() }

// Kubeconfig is the path of the one the server uses: it is the server's ServiceAccount.
func (s *Server) Kubeconfig() string { return s.cluster.paths.serverKubeconfig() }

// CAFile is the path of the authority that signed the server's certificate.
func (s *Server) CAFile() string { return s.cluster.paths.servingCA() }

func (s *Server) record() (process.Record, bool) {
	record := s.cluster.state.Server
	if record == nil || !record.Alive() {
		return process.Record{}, false
	}
	return *record, true
}

func (s *Server) forget() error {
	s.cluster.state.Server = nil
	return s.cluster.state.write(s.cluster.paths.state())
}

// outdated says whether the running process is of another binary than the one there is.
func (s *Server) outdated() (bool, error) {
	digest, err := fileDigest(s.binary)
	return digest != s.cluster.state.ServerDigest, err
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
