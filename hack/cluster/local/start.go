// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

// controlPlaneTimeout is how long the control plane may take to have ready nodes.
const controlPlaneTimeout = 2 * time.Minute

// startTries is how often a new cluster is started when its ports are taken meanwhile.
const startTries = 3

// Start returns a running cluster in opts.Dir: it builds what is missing in bin/, starts
// the control plane and its simulated nodes, installs artifacts/base and starts
// sandbox-apiserver as its own ServiceAccount.
//
// A cluster that is there is completed instead: what runs is left alone, what died is
// started again on its data, a server whose binary has changed is restarted. One whose
// start was interrupted is thrown away first. On error, and when ctx ends before Start
// returns, everything that this call started is ended; the logs stay.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opts.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the cluster's directory: %w", err)
	}
	paths := layout{dir: opts.Dir}
	unlock, err := Lock(ctx, opts.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()

	if err := opts.provide(ctx); err != nil {
		return nil, err
	}
	c, err := startOnce(ctx, opts, paths)
	for try := 1; try < startTries && lostPort(err); try++ {
		fmt.Fprintln(opts.Log, "another process took a port of the new cluster: starting it again with others")
		c, err = startOnce(ctx, opts, paths)
	}
	return c, err
}

// startOnce completes the cluster that is there, or starts one with new ports. What it
// started is ended again on error.
func startOnce(ctx context.Context, opts Options, paths layout) (*Cluster, error) {
	c, err := claimDirectory(ctx, opts, paths)
	if err != nil {
		return nil, err
	}
	before := c.Processes()
	if err := c.bringUp(ctx, opts); err != nil {
		return nil, errors.Join(err, c.abandon(ctx, before))
	}
	if !opts.Detached {
		return c, nil
	}
	return c, c.releaseGuard()
}

// lostPort says whether a process found its port taken: between the choice of a free
// port and its use anybody on the machine can take it.
func lostPort(err error) bool {
	return err != nil && strings.Contains(err.Error(), syscall.EADDRINUSE.Error())
}

// claimDirectory returns the complete cluster that is there, or an empty one.
func claimDirectory(ctx context.Context, opts Options, paths layout) (*Cluster, error) {
	found, err := readState(paths.state())
	if err != nil {
		return nil, err
	}
	if found == nil || !found.Complete {
		if found, err = freshState(ctx, opts, paths, found); err != nil {
			return nil, err
		}
	}
	if have := len(found.servers()); opts.Replicas != 0 && opts.Replicas != have {
		return nil, fmt.Errorf("starting a cluster: the one in %s has %d replicas, not %d: stop and remove it first", opts.Dir, have, opts.Replicas)
	}
	if have := found.members(); opts.EtcdMembers != 0 && opts.EtcdMembers != have {
		return nil, fmt.Errorf("starting a cluster: the one in %s has %d members of etcd, not %d: stop and remove it first", opts.Dir, have, opts.EtcdMembers)
	}
	if opts.RealNode != found.RealNode {
		return nil, fmt.Errorf("starting a cluster: the one in %s has other nodes, real or simulated: stop and remove it first", opts.Dir)
	}
	c := newCluster(paths, opts.Root, found)
	c.log = opts.Log
	if !opts.WithoutServer {
		c.addServers(opts.ServerBinary, opts.ServerArgs)
	}
	// A guard ends the whole cluster: one that was complete before is not ours to end.
	if !opts.Detached || !found.Complete {
		c.guard, err = startGuard(opts.Root, paths)
	}
	return c, err
}

// freshState ends and removes what an interrupted start may have left.
func freshState(ctx context.Context, opts Options, paths layout, leftover *state) (*state, error) {
	if leftover != nil {
		if err := newCluster(paths, opts.Root, leftover).Stop(ctx); err != nil {
			return nil, fmt.Errorf("clearing away an incomplete cluster: %w", err)
		}
	}
	for _, path := range []string{paths.kwok(), paths.kubeconfig(), paths.serverData(), paths.sharedEtcdData(), paths.credentials()} {
		if err := os.RemoveAll(path); err != nil {
			return nil, fmt.Errorf("clearing away an incomplete cluster: %w", err)
		}
	}
	fresh, err := newState(ctx, opts.Replicas, opts.EtcdMembers)
	if err != nil {
		return nil, err
	}
	fresh.CertificateFiles = opts.CertificateFiles
	fresh.RealNode = opts.RealNode
	return fresh, fresh.write(paths.state())
}

func (c *Cluster) bringUp(ctx context.Context, opts Options) error {
	if err := c.bringUpControlPlane(ctx, opts.Nodes); err != nil {
		return err
	}
	if c.Server != nil {
		if err := c.install(ctx); err != nil {
			return err
		}
		if err := c.bringUpShared(ctx); err != nil {
			return err
		}
		if err := c.bringUpServers(ctx); err != nil {
			return err
		}
	}
	c.state.Complete = true
	return c.writeState()
}

func (c *Cluster) bringUpControlPlane(ctx context.Context, nodes int) error {
	alive := c.plane.running()
	switch {
	case !c.state.Complete:
		c.tell("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok")
		if err := c.plane.create(ctx, c.state); err != nil {
			return err
		}
	case len(alive) < len(components()):
		c.tell(fmt.Sprintf("restarting the control plane: %d of %d components are running", len(alive), len(components())))
		if err := c.plane.restart(ctx); err != nil {
			return err
		}
	default:
		c.tell("the control plane is running")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, controlPlaneTimeout, errors.New("timed out"))
	defer cancel()
	if err := c.loadAdmin(); err != nil {
		return err
	}
	nodes, err := c.bringUpNodes(ctx, nodes)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		return fmt.Errorf("building the administrator's client: %w", err)
	}
	if err := reasoned(ctx, "the control plane", c.tell, nodesReady(client, nodes)); err != nil {
		return fmt.Errorf("%w (logs in %s)%s", err, c.paths.componentLog("*"), c.plane.takenPorts())
	}
	_, err = c.plane.kubectl(ctx, storageClassManifest, "apply", "--server-side", "-f", "-")
	return err
}

// install applies artifacts/base, made fit for servers on this machine.
func (c *Cluster) install(ctx context.Context) error {
	c.tell("installing artifacts/base")
	authorities, err := c.fileAuthorities()
	if err != nil {
		return err
	}
	if _, err := c.plane.kubectl(ctx, "", "apply", "--server-side", "-k", c.root.Join("artifacts", "namespace")); err != nil {
		return err
	}
	base, err := c.plane.kubectl(ctx, "", "kustomize", c.root.Join("artifacts", "base"))
	if err != nil {
		return err
	}
	manifests, err := localize(base, endpoint{port: c.state.publicPort(), caBundle: authorities})
	if err != nil {
		return err
	}
	if _, err := c.plane.kubectl(ctx, string(manifests), "apply", "--server-side", "--force-conflicts", "-f", "-"); err != nil {
		return err
	}
	return serverIdentity(ctx, c.RESTConfig(), c.paths)
}

// bringUpServers starts all before it waits for any.
func (c *Cluster) bringUpServers(ctx context.Context) error {
	for _, server := range c.servers {
		outdated, err := server.outdated()
		if err != nil {
			return err
		}
		switch {
		case !server.Running():
			c.tell("starting " + server.name)
		case outdated:
			c.tell(server.name + " has changed: restarting it")
			if err := server.Stop(ctx); err != nil {
				return err
			}
		default:
			c.tell(server.name + " is running")
		}
		if err := server.Launch(); err != nil {
			return err
		}
	}
	for _, server := range c.servers {
		if err := server.WaitAvailable(ctx); err != nil {
			return err
		}
	}
	return nil
}

// abandon ends what has been started since before, also when ctx has ended.
func (c *Cluster) abandon(ctx context.Context, before map[string]process.Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if len(before) == 0 {
		return c.Stop(ctx)
	}
	var started []process.Record
	for name, record := range c.Processes() {
		if before[name] != record {
			started = append(started, record)
		}
	}
	return errors.Join(process.End(ctx, 0, started...), c.releaseGuard())
}
