// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Networks are chosen from 10.112.0.0/12: apart from what kwok gives to simulated nodes and
// from the cluster's Services.
const (
	firstSecond, seconds = 112, 16
	thirds               = 256
	subnetTries          = 100
)

// freeSubnet returns a network that no address of this machine is in.
func freeSubnet() (subnet, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return subnet{}, fmt.Errorf("listing this machine's addresses: %w", err)
	}
	for range subnetTries {
		s := subnet{second: byte(firstSecond + rand.IntN(seconds)), third: byte(rand.IntN(thirds))}
		if s.free(addresses) {
			return s, nil
		}
	}
	return subnet{}, errors.New("no free network between 10.112.0.0 and 10.127.255.0")
}

// free says that no address shares the network, nor has a network around it.
func (s subnet) free(addresses []net.Addr) bool {
	_, own, err := net.ParseCIDR(s.cidr())
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(addresses, func(address net.Addr) bool {
		other, ok := address.(*net.IPNet)
		return ok && (own.Contains(other.IP) || other.Contains(own.IP))
	})
}

// makeBridge makes the bridge before any Pod does: the kubelet, DNS and kube-proxy listen on it.
func makeBridge(ctx context.Context, name, gateway string) error {
	if interfaceExists(name) {
		return nil
	}
	for _, args := range [][]string{
		{"link", "add", name, "type", "bridge"},
		{"address", "add", gateway + "/24", "dev", name},
		{"link", "set", name, "up"},
	} {
		if err := command(ctx, program("iproute2"), args...); err != nil {
			return err
		}
	}
	return nil
}

func interfaceExists(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

// removeBridge takes the ends of the Pods' cables with it.
func removeBridge(ctx context.Context, name string) error {
	if !interfaceExists(name) {
		return nil
	}
	return command(ctx, program("iproute2"), "link", "delete", name)
}

// proxyTableExists says that kube-proxy's table, of which a machine has one, is there.
func proxyTableExists(ctx context.Context, table string) bool {
	return command(ctx, program("nftables"), "list", "table", "ip", table) == nil
}

func removeProxyTables(ctx context.Context, table string) error {
	var errs []error
	for _, family := range []string{"ip", "ip6"} {
		if command(ctx, program("nftables"), "list", "table", family, table) == nil {
			errs = append(errs, command(ctx, program("nftables"), "delete", "table", family, table))
		}
	}
	return errors.Join(errs...)
}

func command(ctx context.Context, path string, args ...string) error {
	if output, err := exec.CommandContext(ctx, path, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("running %s %s: %w\n%s", filepath.Base(path), strings.Join(args, " "), err, output)
	}
	return nil
}

// kernelSettings are those that a kubelet or a CNI plugin changes.
func kernelSettings() []string {
	return []string{
		"net/ipv4/ip_forward", "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
		"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
	}
}

func readKernelSettings() (map[string]string, error) {
	found := map[string]string{}
	for _, name := range kernelSettings() {
		raw, err := os.ReadFile(kernelSetting(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading a setting of the kernel: %w", err)
		}
		found[name] = strings.TrimSpace(string(raw))
	}
	return found, nil
}

// restoreKernelSettings touches only what differs.
func restoreKernelSettings(want map[string]string) error {
	now, err := readKernelSettings()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if now[name] == want[name] {
			continue
		}
		if err := os.WriteFile(kernelSetting(name), []byte(want[name]), 0o644); err != nil {
			return fmt.Errorf("restoring a setting of the kernel: %w", err)
		}
	}
	return nil
}

func kernelSetting(name string) string { return filepath.Join("/proc/sys", name) }
