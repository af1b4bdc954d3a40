// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
)

const released = "released\n"

// guard is a process that ends the cluster when its standard input closes without a
// word, that is when this process is gone without having released it.
type guard struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

func startGuard(root binaries.Root, paths layout) (*guard, error) {
	if err := os.MkdirAll(filepath.Dir(paths.log("guard")), 0o755); err != nil {
		return nil, fmt.Errorf("making the log directory: %w", err)
	}
	log, err := os.OpenFile(paths.log("guard"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the guard's log: %w", err)
	}
	defer log.Close()
	program := root.Bin(binaries.ClusterProgram)
	cmd := &exec.Cmd{
		Path: program, Args: []string{program, "guard", paths.dir}, Dir: string(root),
		Stdout: log, Stderr: log, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("connecting the guard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the guard: %w", err)
	}
	return &guard{cmd: cmd, stdin: stdin}, nil
}

// release lets the guard go without touching the cluster. A nil guard has nothing to release.
func (g *guard) release() error {
	if g == nil {
		return nil
	}
	_, writeErr := io.WriteString(g.stdin, released)
	return errors.Join(writeErr, g.stdin.Close(), g.cmd.Wait())
}

// Guard blocks until input ends. If it ends without the word that releases the guard,
// the cluster in dir is ended and its data removed; the logs stay. It is what `cluster
// guard` runs.
func Guard(ctx context.Context, dir string, input io.Reader) error {
	line, err := bufio.NewReader(input).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("guarding %s: %w", dir, err)
	}
	if line == released {
		return nil
	}
	cluster, err := Open(dir)
	if errors.Is(err, ErrNoCluster) {
		return nil
	}
	if err != nil {
		return err
	}
	return cluster.Stop(ctx)
}
