// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

// The processes of a node, as they are called in logs and by Processes.
const (
	Kubelet    = binaries.Kubelet
	containerd = binaries.Containerd
	proxy      = binaries.KubeProxy
	dns        = binaries.CoreDNS
)

const (
	startTimeout = time.Minute
	stopGrace    = 5 * time.Second
)

// Options say what Start is to start.
type Options struct {
	Root binaries.Root
	// Dir holds everything of the node. Unix sockets are below it: keep it short.
	Dir string
	// Kubeconfig is the administrator's, with which the kubelet gets credentials of its own.
	Kubeconfig string
	// ClusterCA is the file with the authority of kube-apiserver's clients.
	ClusterCA string
	// Log receives a line for each step.
	Log io.Writer
}

// Node is a running node. It is not safe for concurrent use.
type Node struct {
	root  binaries.Root
	paths layout
	state *state
	// kubeconfig is the administrator's; empty for a node that was opened.
	kubeconfig string
}

// Provide installs and builds what is missing for Start. The first time it compiles for
// minutes: a time limit is for what comes after it.
func Provide(ctx context.Context, root binaries.Root, log io.Writer) error {
	if found := Obstacles(); len(found) > 0 {
		return fmt.Errorf("providing for a real node: %s", strings.Join(found, "; "))
	}
	if err := install(ctx, log); err != nil {
		return err
	}
	return binaries.EnsureNode(ctx, root, log)
}

// Start returns a node whose kubelet is registering. A node that is there is completed: what
// has died is started again, containers that run are left alone. On error everything that
// there is of the node is taken back. Provide has been called before.
func Start(ctx context.Context, opts Options) (*Node, error) {
	n, err := prepare(ctx, opts)
	if err != nil {
		return nil, err
	}
	if err := n.bringUp(ctx, opts); err != nil {
		return nil, errors.Join(err, n.Stop(ctx))
	}
	return n, nil
}

// Open returns the node that an earlier Start, in whatever process, left in dir; nil if
// there is none. It can be looked at and stopped.
func Open(root binaries.Root, dir string) (*Node, error) {
	found, err := readState(layout{dir: dir}.state())
	if err != nil || found == nil {
		return nil, err
	}
	return &Node{root: root, paths: layout{dir: dir}, state: found}, nil
}

// prepare records what has to be taken back before there is anything.
func prepare(ctx context.Context, opts Options) (*Node, error) {
	n, err := Open(opts.Root, opts.Dir)
	if err != nil {
		return nil, err
	}
	if n == nil {
		n = &Node{root: opts.Root, paths: layout{dir: opts.Dir}}
		if n.state, err = newState(ctx, n.paths); err != nil {
			return nil, err
		}
	}
	n.kubeconfig = opts.Kubeconfig
	return n, n.state.write(n.paths.state())
}

func newState(ctx context.Context, paths layout) (*state, error) {
	if err := os.MkdirAll(paths.dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the node's directory: %w", err)
	}
	network, err := freeSubnet()
	if err != nil {
		return nil, err
	}
	kernel, err := readKernelSettings()
	if err != nil {
		return nil, err
	}
	return &state{
		Second: network.second, Third: network.third, Kernel: kernel,
		Proxy:     !proxyTableExists(ctx, paths.proxyTable()),
		Processes: map[string]process.Record{},
	}, nil
}

func (n *Node) bringUp(ctx context.Context, opts Options) error {
	network := n.state.subnet()
	s := settings{
		layout: n.paths, Dir: n.paths.dir, Gateway: network.gateway(), Subnet: network.cidr(),
		Kubeconfig: opts.Kubeconfig, ClusterCA: opts.ClusterCA, RuncOCI: program("runc"), CrunOCI: program("crun"),
		Shim: n.root.Bin(binaries.ContainerdShim),
	}
	if err := s.write(); err != nil {
		return err
	}
	if err := makeCgroups(n.paths.cgroup()); err != nil {
		return err
	}
	if err := makeBridge(ctx, n.paths.bridge(), network.gateway()); err != nil {
		return err
	}
	fmt.Fprintln(opts.Log, "starting containerd, and importing the images built from this checkout")
	if err := n.startContainerd(ctx); err != nil {
		return err
	}
	if err := n.importImages(ctx); err != nil {
		return err
	}
	fmt.Fprintln(opts.Log, "starting the kubelet, CoreDNS and kube-proxy")
	if !n.state.Proxy {
		fmt.Fprintln(opts.Log, "WARNING: another kube-proxy uses this machine: addresses of Services will not work, their names do")
	}
	return errors.Join(n.start(dns, "-conf", n.paths.corefile()), n.StartKubelet())
}

func (n *Node) startContainerd(ctx context.Context) error {
	if err := n.start(containerd, "--config", n.paths.containerdConfig()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var last error
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		if !n.state.Processes[containerd].Alive() {
			return false, errors.New("the process has ended")
		}
		last = command(ctx, n.root.Bin(binaries.Ctr), n.ctr("version")...)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for containerd (log in %s): %w", n.paths.log(containerd), errors.Join(err, last))
	}
	return nil
}

func (n *Node) startProxy() error {
	if !n.state.Proxy {
		return nil
	}
	return n.start(proxy, "--config", n.paths.proxyConfig())
}

// StartKubelet starts the kubelet, unless it runs, and kube-proxy, which ends itself when its
// Node is deleted.
func (n *Node) StartKubelet() error {
	return errors.Join(n.startProxy(), n.startKubelet())
}

func (n *Node) startKubelet() error {
	return n.start(Kubelet,
		"--config="+n.paths.kubeletConfig(),
		"--root-dir="+n.paths.kubeletRoot(),
		"--cert-dir="+n.paths.kubeletCredentials(),
		"--bootstrap-kubeconfig="+n.kubeconfig,
		"--kubeconfig="+n.paths.kubeletKubeconfig(),
		"--hostname-override="+Name,
		"--node-ip="+n.state.subnet().gateway(),
	)
}

// KillKubelet ends the kubelet with SIGKILL. Containers go on.
func (n *Node) KillKubelet(ctx context.Context) error {
	if err := process.End(ctx, 0, n.state.Processes[Kubelet]); err != nil {
		return err
	}
	delete(n.state.Processes, Kubelet)
	return n.state.write(n.paths.state())
}

// start starts a program of bin/, unless the recorded process is alive.
func (n *Node) start(name string, args ...string) error {
	if record, ok := n.state.Processes[name]; ok && record.Alive() {
		return nil
	}
	log := n.paths.log(name)
	record, err := process.Start(process.Spec{Program: n.root.Bin(name), Args: args, Dir: n.paths.dir, LogFile: log})
	if err != nil {
		return err
	}
	n.state.Processes[name] = record
	return n.state.write(n.paths.state())
}

// Processes are those that should be running, alive or not, by name.
func (n *Node) Processes() map[string]process.Record { return maps.Clone(n.state.Processes) }

// LogPaths returns the log of each process, by its name.
func (n *Node) LogPaths() map[string]string {
	logs := map[string]string{}
	for _, name := range []string{containerd, Kubelet, dns, proxy} {
		logs[name] = n.paths.log(name)
	}
	return logs
}

// Socket is where containerd listens, for bin/ctr.
func (n *Node) Socket() string { return n.paths.socket() }

// HasProxy says whether addresses of Services work.
func (n *Node) HasProxy() bool { return n.state.Proxy }

// Stop ends the node with all its containers, and takes back what it has changed outside
// its directory. The directory stays, for the logs.
func (n *Node) Stop(ctx context.Context) error {
	var first, last []process.Record
	for name, record := range n.state.Processes {
		if name == containerd {
			last = append(last, record)
		} else {
			first = append(first, record)
		}
	}
	errs := []error{process.End(ctx, stopGrace, first...), process.End(ctx, stopGrace, last...), n.sweep(ctx)}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stopping the real node: %w", err)
	}
	if err := os.Remove(n.paths.state()); err != nil {
		return fmt.Errorf("forgetting the real node: %w", err)
	}
	return nil
}
