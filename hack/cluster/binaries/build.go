// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Ensure builds what a cluster needs and is missing in bin/, and says so on out, a
// line at least every 15 seconds. The programs of the checkout named in also are built
// with them, unless they are up to date.
//
// It may be called by several processes at once: one builds, the others wait.
func Ensure(ctx context.Context, root Root, out io.Writer, also ...string) error {
	if err := os.MkdirAll(root.Bin(""), 0o755); err != nil {
		return fmt.Errorf("making bin/: %w", err)
	}
	unlock, err := Lock(ctx, root.Bin(".lock"))
	if err != nil {
		return err
	}
	defer unlock()

	want, err := ensureTools(ctx, root, out, tools())
	if err != nil {
		return err
	}
	if err := ensureStages(ctx, root, want[Kwok]); err != nil {
		return err
	}
	return buildCheckout(ctx, root, out, also)
}

// ensureTools builds those that are missing, and returns the stamps that all have now.
func ensureTools(ctx context.Context, root Root, out io.Writer, all []binary) (map[string]string, error) {
	want, err := wantedStamps(ctx, root, all)
	if err != nil {
		return nil, err
	}
	todo, err := missing(root, all, want)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(todo, func(b binary) bool { return b.name == KubeAPIServer }) {
		fmt.Fprintf(out, "compiling Kubernetes %s: about ten minutes the first time, seconds ever after\n", KubernetesVersion)
	}
	begin := time.Now()
	for i, b := range todo {
		w := work{binary: b, progress: &progress{name: b.name, number: i + 1, of: len(todo), begin: begin}, reporter: reporter{out: out}}
		if err := buildStamped(ctx, root, w, want[b.name]); err != nil {
			return nil, err
		}
	}
	return want, nil
}

func wantedStamps(ctx context.Context, root Root, all []binary) (map[string]string, error) {
	version, err := goCommand(ctx, root, toolsModule, "env", "GOVERSION", "GOOS", "GOARCH").Output()
	if err != nil {
		return nil, fmt.Errorf("asking go for its version: %w", explain(err))
	}
	want := map[string]string{}
	for _, b := range all {
		modules, err := modulesDigest(root, b.module)
		if err != nil {
			return nil, err
		}
		want[b.name] = stamp(b, string(version), modules)
	}
	return want, nil
}

// work is one binary to be built, and who hears of it.
type work struct {
	binary   binary
	progress *progress
	reporter reporter
}

// buildStamped takes the stamp away first: an interrupted build leaves none.
func buildStamped(ctx context.Context, root Root, w work, want string) error {
	if err := os.RemoveAll(stampFile(root, w.binary)); err != nil {
		return fmt.Errorf("removing the stamp of bin/%s: %w", w.binary.name, err)
	}
	if err := buildReported(ctx, root, w); err != nil {
		return err
	}
	if err := os.WriteFile(stampFile(root, w.binary), []byte(want), 0o644); err != nil {
		return fmt.Errorf("stamping bin/%s: %w", w.binary.name, err)
	}
	return nil
}

// buildCheckout leaves it to the build cache to find out what is up to date.
func buildCheckout(ctx context.Context, root Root, out io.Writer, names []string) error {
	programs := checkoutPrograms()
	begin := time.Now()
	for i, name := range names {
		w := work{
			binary:   programs[name],
			progress: &progress{name: name, number: i + 1, of: len(names), begin: begin},
			reporter: reporter{out: out, quiet: time.Second},
		}
		if err := buildReported(ctx, root, w); err != nil {
			return err
		}
	}
	return nil
}

func buildReported(ctx context.Context, root Root, w work) error {
	reporting, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.reporter.report(reporting, w.progress)
	}()
	err := build(ctx, root, w.binary, w.progress)
	stop()
	<-done
	if err != nil {
		return fmt.Errorf("building bin/%s: %w\n%s", w.binary.name, err, w.progress.failure())
	}
	return nil
}

func build(ctx context.Context, root Root, b binary, output io.Writer) error {
	args := append([]string{"build", "-v"}, b.flags...)
	cmd := goCommand(ctx, root, b.module, append(args, "-o", root.Bin(b.name), b.pkg)...)
	cmd.Stdout, cmd.Stderr = output, output
	return cmd.Run()
}

// goCommand runs go in one of the checkout's modules. The tools are built without CGO:
// they need no C compiler, and run on any machine of this kind. The checkout's own
// programs are built as everything else of it, or the build cache would hold it twice.
func goCommand(ctx context.Context, root Root, module string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root.Join(module)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if strings.HasPrefix(module, toolsModule) {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func explain(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}

// Lock takes an exclusive lock on a file, waiting until whoever holds it is done or
// gone. The lock ends with unlock or with the process.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening lock %s: %w", path, err)
	}
	taken := func(context.Context) (bool, error) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return err == nil, err
	}
	if err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, taken); err != nil {
		file.Close()
		return nil, fmt.Errorf("waiting for lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}
