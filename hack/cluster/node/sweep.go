// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

const sweepTimeout = 30 * time.Second

// sweep takes back everything that the node has outside its directory. Its own processes
// have ended; it works without containerd, which may have died.
func (n *Node) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepTimeout)
	defer cancel()
	errs := []error{n.endShims(ctx), n.endContainers(ctx), unmountBelow(n.paths.dir)}
	// The kernel lets go of a control group a moment after its last process.
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(context.Context) (bool, error) {
		return removeCgroups(n.paths.cgroup()) == nil, nil
	})
	if err != nil {
		errs = append(errs, removeCgroups(n.paths.cgroup()))
	}
	if n.state.Proxy {
		errs = append(errs, removeProxyTables(ctx, n.paths.proxyTable()))
	}
	return errors.Join(append(errs,
		removeBridge(ctx, n.paths.bridge()),
		removeLogLinks(n.paths.dir),
		restoreKernelSettings(n.state.Kernel))...)
}

// endShims kills the parents of containers: those that were started with the node's socket.
func (n *Node) endShims(ctx context.Context) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return fmt.Errorf("listing processes: %w", err)
	}
	shim := n.root.Bin(binaries.ContainerdShim)
	var records []process.Record
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		raw, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err != nil {
			continue // it has ended
		}
		args := bytes.Split(raw, []byte{0})
		if !slices.ContainsFunc(args, func(arg []byte) bool { return string(arg) == n.paths.socket() }) {
			continue
		}
		if record, ok := process.Find(pid, shim); ok {
			records = append(records, record)
		}
	}
	return process.End(ctx, 0, records...)
}

// endContainers kills what is in the node's control group.
func (n *Node) endContainers(ctx context.Context) error {
	return wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(context.Context) (bool, error) {
		pids, err := cgroupProcesses(n.paths.cgroup())
		if err != nil || len(pids) == 0 {
			return err == nil, err
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return false, fmt.Errorf("ending process %d of a container: %w", pid, err)
			}
		}
		return false, nil
	})
}

// unmountBelow undoes the mounts of containers and volumes, the latest first.
func unmountBelow(dir string) error {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("listing mounts: %w", err)
	}
	var errs []error
	for _, point := range slices.Backward(mountPoints(string(raw), dir)) {
		if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("unmounting %s: %w", point, err))
		}
	}
	return errors.Join(errs...)
}

// mountPoints are those below dir, in the order of proc_pid_mountinfo(5).
func mountPoints(mountinfo, dir string) []string {
	const mountPoint = 4
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var points []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) <= mountPoint {
			continue
		}
		if point := unescape.Replace(fields[mountPoint]); strings.HasPrefix(point, dir+"/") {
			points = append(points, point)
		}
	}
	return points
}

// removeLogLinks removes the links to logs that a kubelet makes for collectors of logs.
func removeLogLinks(dir string) error {
	links, err := filepath.Glob("/var/log/containers/*")
	if err != nil {
		return fmt.Errorf("listing the links to logs: %w", err)
	}
	var errs []error
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, dir+"/") {
			errs = append(errs, os.Remove(link))
		}
	}
	return errors.Join(errs...)
}
