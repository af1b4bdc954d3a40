// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// cniDirectory is where Debian puts CNI's plugins.
const cniDirectory = "/usr/lib/cni"

// needed are the files a node runs, each with the Debian package that brings it. Where
// there are several paths, one is enough.
var needed = []struct {
	pkg   string
	paths []string
}{
	{pkg: "runc", paths: []string{"/usr/sbin/runc", "/usr/bin/runc"}},
	{pkg: "crun", paths: []string{"/usr/bin/crun"}},
	{pkg: "containernetworking-plugins", paths: []string{cniDirectory + "/bridge"}},
	{pkg: "iproute2", paths: []string{"/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"}},
	{pkg: "iptables", paths: []string{"/usr/sbin/iptables"}},
	{pkg: "nftables", paths: []string{"/usr/sbin/nft"}},
	{pkg: "conntrack", paths: []string{"/usr/sbin/conntrack"}},
	{pkg: "busybox-static", paths: []string{busybox}},
}

// Obstacles are the reasons why no real node can run on this machine, in words for its
// user. Missing Debian packages are none where apt-get can install them.
func Obstacles() []string {
	if runtime.GOOS != "linux" {
		return []string{"a real node needs Linux, this is " + runtime.GOOS}
	}
	var found []string
	if os.Geteuid() != 0 {
		found = append(found, "a real node needs root: it mounts, and makes control groups and network interfaces")
	} else if err := tryMount(); err != nil {
		found = append(found, "this machine does not let root mount: "+err.Error())
	}
	if len(controlGroups()) == 0 {
		found = append(found, "no writable control groups below "+cgroupRoot)
	}
	if !slices.Contains(fileSystems(), "overlay") {
		found = append(found, "the kernel has no overlay file system")
	}
	if missing := missingPackages(); len(missing) > 0 && !canInstall() {
		found = append(found, "missing, and there is no apt-get to install them: "+strings.Join(missing, " "))
	}
	return found
}

// missingPackages are those of Debian that bring what is not there.
func missingPackages() []string {
	var missing []string
	for _, need := range needed {
		if firstExisting(need.paths) == "" {
			missing = append(missing, need.pkg)
		}
	}
	return missing
}

func firstExisting(paths []string) string {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// program is the path of what a Debian package brings.
func program(pkg string) string {
	for _, need := range needed {
		if need.pkg == pkg {
			return firstExisting(need.paths)
		}
	}
	return ""
}

func canInstall() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil && os.Geteuid() == 0
}

// install brings the missing packages of Debian.
func install(ctx context.Context, out io.Writer) error {
	missing := missingPackages()
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintln(out, "installing", strings.Join(missing, " "))
	steps := [][]string{{"update", "-qq"}, append([]string{"install", "-qq", "--no-install-recommends"}, missing...)}
	for _, args := range steps {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("running apt-get %s for %s: %w\n%s", args[0], strings.Join(missing, " "), err, output)
		}
	}
	if still := missingPackages(); len(still) > 0 {
		return fmt.Errorf("installing %s: the packages do not bring the files of %v", strings.Join(missing, " "), still)
	}
	return nil
}

// tryMount tells a machine's root from that of a container without the right to mount.
func tryMount() error {
	dir, err := os.MkdirTemp("", "sandbox-node-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(dir) }() // what it says would hide what is asked
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"); err != nil {
		return err
	}
	return syscall.Unmount(dir, 0)
}

func fileSystems() []string {
	raw, err := os.ReadFile(filepath.Join("/proc", "filesystems"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(raw))
}
