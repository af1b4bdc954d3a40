// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	pollInterval = 50 * time.Millisecond
	execTimeout  = 5 * time.Second
)

// Spec says what Start is to start.
type Spec struct {
	// Program is the absolute path of the executable.
	Program string
	// Args are its arguments, without the program.
	Args []string
	// Dir is its working directory.
	Dir string
	// LogFile receives standard output and error; it is appended to.
	LogFile string
}

// Start starts a process in a session of its own, so that it outlives the caller and
// a terminal's interrupt does not reach it.
func Start(spec Spec) (Record, error) {
	log, err := os.OpenFile(spec.LogFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return Record{}, fmt.Errorf("opening the log of %s: %w", filepath.Base(spec.Program), err)
	}
	defer log.Close()

	cmd := &exec.Cmd{
		Path: spec.Program, Args: append([]string{spec.Program}, spec.Args...), Dir: spec.Dir,
		Stdout: log, Stderr: log, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return Record{}, fmt.Errorf("starting %s: %w", spec.Program, err)
	}
	stat, err := awaitExec(cmd.Process.Pid, spec.Program)
	go func() { _ = cmd.Wait() }() // reaps it, should it end before the caller does
	if err != nil {
		return Record{}, fmt.Errorf("looking at %s after its start: %w", spec.Program, err)
	}
	return Record{PID: cmd.Process.Pid, StartTicks: stat.startTicks, Program: spec.Program}, nil
}

// awaitExec returns once /proc shows the program: until a moment after exec, which is
// what exec.Cmd waits for, it shows no command line at all. One that has ended has none
// either, and is there until it is reaped.
func awaitExec(pid int, program string) (procStat, error) {
	for deadline := time.Now().Add(execTimeout); ; <-time.After(time.Millisecond) {
		stat, err := readStat(procDir, pid)
		if err != nil || stat.ended() || readProgram(procDir, pid) == program {
			return stat, err
		}
		if time.Now().After(deadline) {
			return stat, fmt.Errorf("its command line does not begin with %s after %v", program, execTimeout)
		}
	}
}

// End asks the processes to terminate, in the order given and all at once, and kills
// those that are still there after grace. It returns when all have ended.
func End(ctx context.Context, grace time.Duration, records ...Record) error {
	errs := make([]error, 0, len(records))
	for _, record := range records {
		errs = append(errs, record.Signal(syscall.SIGTERM))
	}
	graceful, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if WaitEnded(graceful, records...) == nil {
		return errors.Join(errs...)
	}
	for _, record := range records {
		errs = append(errs, record.Signal(syscall.SIGKILL))
	}
	// SIGKILL needs no cooperation: what is left is the kernel's work, which an
	// interrupted caller still has to see done.
	killed, cancelKilled := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancelKilled()
	return errors.Join(append(errs, WaitEnded(killed, records...))...)
}

// WaitEnded blocks until none of the processes is alive.
func WaitEnded(ctx context.Context, records ...Record) error {
	for _, record := range records {
		ended := func(context.Context) (bool, error) { return !record.Alive(), nil }
		if err := wait.PollUntilContextCancel(ctx, pollInterval, true, ended); err != nil {
			return fmt.Errorf("waiting for %s (pid %d) to end: %w", filepath.Base(record.Program), record.PID, err)
		}
	}
	return nil
}
