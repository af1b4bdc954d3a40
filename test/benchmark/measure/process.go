// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticksPerSecond is the kernel's USER_HZ, which is 100 on every platform of Linux that Go runs on.
const ticksPerSecond = 100

// Usage is what one process used.
type Usage struct {
	// CPUSeconds of user and system time.
	CPUSeconds float64 `json:"cpuSeconds"`
	// PeakBytes of resident memory.
	PeakBytes uint64 `json:"peakBytes"`
}

// Processes watches what processes use between Begin and End.
type Processes struct {
	pids   map[string]int
	before map[string]float64
}

// Begin remembers the CPU time of each process and resets its peak memory.
func Begin(pids map[string]int) (*Processes, error) {
	p := &Processes{pids: pids, before: map[string]float64{}}
	for name, pid := range pids {
		used, err := CPUSeconds(pid)
		if err != nil {
			return nil, fmt.Errorf("reading the CPU time of %s: %w", name, err)
		}
		p.before[name] = used
		// 5 resets VmHWM, see proc_pid_clear_refs(5). Without the right to, the peak is that of its life.
		_ = os.WriteFile(procFile(pid, "clear_refs"), []byte("5"), 0)
	}
	return p, nil
}

// End returns what each process has used since Begin. One that has ended is left out.
func (p *Processes) End() map[string]Usage {
	usage := map[string]Usage{}
	for name, pid := range p.pids {
		used, err := CPUSeconds(pid)
		if err != nil {
			continue
		}
		peak, err := PeakMemory(pid)
		if err != nil {
			continue
		}
		usage[name] = Usage{CPUSeconds: used - p.before[name], PeakBytes: peak}
	}
	return usage
}

// PeakMemory is the largest resident set of a process since it was last reset.
func PeakMemory(pid int) (uint64, error) { return statusBytes(pid, "VmHWM:") }

// Memory is the resident set of a process now.
func Memory(pid int) (uint64, error) { return statusBytes(pid, "VmRSS:") }

func statusBytes(pid int, field string) (uint64, error) {
	raw, err := os.ReadFile(procFile(pid, "status"))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		rest, found := strings.CutPrefix(lines.Text(), field)
		if !found {
			continue
		}
		kilobytes, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		return kilobytes << 10, err
	}
	return 0, fmt.Errorf("reading the memory of process %d: no %s", pid, field)
}

// CPUSeconds are those that a process has used in its life, fields 14 and 15 of
// proc_pid_stat(5). They follow a command in parentheses that may itself hold spaces.
func CPUSeconds(pid int) (float64, error) {
	const user, system = 11, 12 // counted from the first field after the command
	raw, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) <= system {
		return 0, fmt.Errorf("the status of process %d has %d fields", pid, len(fields))
	}
	total := 0.0
	for _, field := range []string{fields[user], fields[system]} {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
		}
		total += ticks / ticksPerSecond
	}
	return total, nil
}

func procFile(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }
