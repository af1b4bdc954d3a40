// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// procDir is where the kernel publishes its processes.
const procDir = "/proc"

// Record identifies one process for as long as the machine is up. It survives
// being written to a file and read by another program.
type Record struct {
	// PID is the process id.
	PID int `json:"pid"`
	// StartTicks is the kernel's start time of the process, in clock ticks since boot.
	StartTicks uint64 `json:"startTicks"`
	// Program is the path the process was started as (its argv[0]).
	Program string `json:"program"`
}

// Find returns the record of the live process with this id if it was started as program.
func Find(pid int, program string) (Record, bool) {
	stat, err := readStat(procDir, pid)
	if err != nil || stat.ended() || readProgram(procDir, pid) != program {
		return Record{}, false
	}
	return Record{PID: pid, StartTicks: stat.startTicks, Program: program}, true
}

// Alive says whether the recorded process, and not a later one of the same id, is running.
func (r Record) Alive() bool {
	found, ok := Find(r.PID, r.Program)
	return ok && found == r
}

// Signal sends sig to the recorded process. A process that has ended is no error.
func (r Record) Signal(sig syscall.Signal) error {
	if !r.Alive() {
		return nil
	}
	if err := syscall.Kill(r.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending %v to %s (pid %d): %w", sig, filepath.Base(r.Program), r.PID, err)
	}
	return nil
}

type procStat struct {
	state      byte
	startTicks uint64
}

func (s procStat) ended() bool { return s.state == 'Z' || s.state == 'X' }

func readStat(dir string, pid int) (procStat, error) {
	raw, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(pid), "stat"))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(string(raw))
}

// parseStat reads the fields of proc_pid_stat(5) that come after the command, which
// is in parentheses and may itself hold spaces and parentheses.
func parseStat(raw string) (procStat, error) {
	const stateField, startTimeField = 0, 19 // counted from the first field after the command
	end := strings.LastIndexByte(raw, ')')
	if end < 0 {
		return procStat{}, fmt.Errorf("process status %q has no command", raw)
	}
	fields := strings.Fields(raw[end+1:])
	if len(fields) <= startTimeField {
		return procStat{}, fmt.Errorf("process status %q has too few fields", raw)
	}
	ticks, err := strconv.ParseUint(fields[startTimeField], 10, 64)
	if err != nil {
		return procStat{}, fmt.Errorf("reading the start time of process status %q: %w", raw, err)
	}
	return procStat{state: fields[stateField][0], startTicks: ticks}, nil
}

func readProgram(dir string, pid int) string {
	raw, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return ""
	}
	program, _, _ := bytes.Cut(raw, []byte{0})
	return string(program)
}
