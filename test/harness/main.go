// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/localtest"
)

const (
	raceServer = "sandbox-apiserver-race"
	// parallelTests run at once: they wait far more than they compute.
	parallelTests = "10"
	// stopWithin is how long a server may take to stop that nobody asks for much: less than its Pod has.
	stopWithin = 60 * time.Second
)

// Options say how the cluster of a suite differs from a plain one.
type Options struct {
	// Race builds the server with the race detector.
	Race bool
	// ServerArgs are added to the server's command line.
	ServerArgs []string
	// Nodes is the number of simulated nodes; 0 means the default.
	Nodes int
	// RealNode runs containers on this machine instead of simulated nodes.
	RealNode bool
	// Replicas is the number of servers; 0 means one.
	Replicas int
	// EtcdMembers is the number of members of the etcd that several servers share; 0 means one.
	EtcdMembers int
}

// Main runs the tests of a package with one cluster, and returns the exit code. It
// stops the server before it judges its log: a shutdown can race as well.
func Main(m interface{ Run() int }, opts Options, use func(*Env)) int {
	suite := &suite{tests: m}
	code, err := suite.run(opts, use)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// suite wraps the tests so that it sees the cluster once more before it ends.
type suite struct {
	tests interface{ Run() int }
	env   *Env
	err   error
}

func (s *suite) run(opts Options, use func(*Env)) (int, error) {
	// The command line, which is parsed later, overrides it.
	if err := flag.Set("test.parallel", parallelTests); err != nil {
		return 1, fmt.Errorf("setting the number of parallel tests: %w", err)
	}
	cluster := local.Options{ServerArgs: opts.ServerArgs, Nodes: opts.Nodes, RealNode: opts.RealNode, Log: os.Stderr}
	cluster.Replicas, cluster.EtcdMembers = opts.Replicas, opts.EtcdMembers
	if opts.Race {
		binary, err := buildRaceServer(context.Background(), os.Stderr)
		if err != nil {
			return 1, err
		}
		cluster.ServerBinary = binary
	}
	code := localtest.Main(s, cluster, func(c *local.Cluster) {
		if s.env, s.err = newEnv(c); s.err == nil {
			use(s.env)
		}
	})
	return code, s.err
}

// Run is called by localtest.Main while the cluster is there.
func (s *suite) Run() int {
	if s.err != nil {
		return 1
	}
	code := s.tests.Run()
	if s.err = s.env.stopAndCheck(); s.err != nil {
		return max(code, 1)
	}
	return code
}

func (e *Env) stopAndCheck() error {
	begin := time.Now()
	if err := e.Cluster.Server.Stop(context.Background()); err != nil {
		return err
	}
	if took := time.Since(begin); took > stopWithin {
		return fmt.Errorf("stopping the server took %v, it may take %v", took, stopWithin)
	}
	errs := []error{checkLog(e.Cluster.Server.LogPath())}
	for _, other := range e.Cluster.Replicas()[1:] { // whose shutdown shows nothing new
		errs = append(errs, other.Kill(context.Background()), checkLog(other.LogPath()))
	}
	return errors.Join(errs...)
}

func buildRaceServer(ctx context.Context, out io.Writer) (string, error) {
	root, err := binaries.FindRoot(".")
	if err != nil {
		return "", err
	}
	fmt.Fprintln(out, "building sandbox-apiserver with the race detector")
	cmd := exec.CommandContext(ctx, "go", "build", "-race", "-o", root.Bin(raceServer), "./cmd/sandbox-apiserver")
	cmd.Dir, cmd.Stdout, cmd.Stderr = string(root), out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building sandbox-apiserver with the race detector: %w", err)
	}
	return root.Bin(raceServer), nil
}
