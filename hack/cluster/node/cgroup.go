// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const cgroupRoot = "/sys/fs/cgroup"

// How statfs(2) calls the file systems of control groups.
const (
	cgroupMagic  = 0x27e0eb
	cgroup2Magic = 0x63677270
)

// controlGroups are the hierarchies of this machine that can be written to: one of version
// 2, or several of version 1, among which may be one of version 2.
func controlGroups() []string {
	if kind(cgroupRoot) == cgroup2Magic {
		return writable([]string{cgroupRoot})
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil
	}
	var found []string
	for _, entry := range entries {
		path := filepath.Join(cgroupRoot, entry.Name())
		if magic := kind(path); entry.IsDir() && (magic == cgroupMagic || magic == cgroup2Magic) {
			found = append(found, path)
		}
	}
	return writable(found)
}

// writeAccess is W_OK of access(2).
const writeAccess = 2

func kind(path string) int64 {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); err != nil {
		return 0
	}
	return stat.Type
}

func writable(paths []string) []string {
	return slices.DeleteFunc(paths, func(path string) bool { return syscall.Access(path, writeAccess) != nil })
}

// makeCgroups makes the group that all Pods of the node are in.
func makeCgroups(name string) error {
	for _, hierarchy := range controlGroups() {
		if err := os.MkdirAll(filepath.Join(hierarchy, name), 0o755); err != nil {
			return fmt.Errorf("making control group %s: %w", name, err)
		}
	}
	return nil
}

// cgroupProcesses are the ids of all processes in the node's group.
func cgroupProcesses(name string) ([]int, error) {
	var pids []int
	for _, hierarchy := range controlGroups() {
		err := filepath.WalkDir(filepath.Join(hierarchy, name), func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || entry.Name() != "cgroup.procs" {
				return err
			}
			raw, err := os.ReadFile(filepath.Clean(path))
			if err != nil && !gone(err) {
				return err
			}
			for field := range strings.FieldsSeq(string(raw)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					pids = append(pids, pid)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("listing the processes of control group %s: %w", name, err)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// removeCgroups removes the node's group, the innermost first.
func removeCgroups(name string) error {
	var errs []error
	for _, hierarchy := range controlGroups() {
		var groups []string
		err := filepath.WalkDir(filepath.Join(hierarchy, name), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				groups = append(groups, path)
			}
			if gone(err) {
				return nil
			}
			return err
		})
		errs = append(errs, err)
		for _, group := range slices.Backward(groups) {
			if err := os.Remove(group); err != nil && !gone(err) {
				errs = append(errs, fmt.Errorf("removing a control group: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// gone covers a group that is removed while it is read.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) }
