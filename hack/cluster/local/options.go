// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/node"
)

// DefaultNodes is how many simulated nodes a cluster has; each takes 110 Pods.
const DefaultNodes = 3

// Options say what Start is to start. The zero value, with Dir, is a good cluster.
type Options struct {
	// Root is the checkout. Empty: the one the working directory is in.
	Root binaries.Root
	// Dir holds everything of the cluster: configuration, data, logs. It is made if
	// need be. Clusters in different directories do not see each other. Keep the path
	// short: the server puts a unix socket below it, and those are limited to about 100
	// characters.
	Dir string
	// Nodes is the number of simulated nodes; 0 means DefaultNodes.
	Nodes int
	// RealNode runs Pods as containers on one real node of this machine, and has no simulated
	// ones; package node says what that needs.
	RealNode bool
	// Replicas is the number of sandbox-apiserver processes; 0 means one, which keeps its
	// data in an embedded etcd, or as many as the cluster that is there has. More than one
	// share an etcd of their own, and kube-apiserver reaches them through a balancer.
	Replicas int
	// EtcdMembers is the number of members of that etcd; 0 means one. With more, each replica
	// reaches them through a network that can be cut: see Server.CutEtcd.
	EtcdMembers int
	// ServerBinary is the sandbox-apiserver to run. Empty: the checkout's, built by Start.
	ServerBinary string
	// ServerArgs are added to the command line of each server, after its standard ones.
	ServerArgs []string
	// CertificateFiles gives each server a certificate in files, and installs the authorities
	// in the APIService. Otherwise the servers look after their certificates themselves, as
	// those of an installation do. A cluster that is there keeps what it was made with.
	CertificateFiles bool
	// WithoutServer leaves out sandbox-apiserver and everything installed for it.
	// Cluster.Server is nil then.
	WithoutServer bool
	// Detached lets the cluster outlive the calling process. Otherwise a guard process
	// ends the cluster as soon as the caller is gone, however it went.
	Detached bool
	// Log receives a line for each step. Nil: nobody is told.
	Log io.Writer
}

func (o Options) complete() (Options, error) {
	if o.Dir == "" {
		return o, fmt.Errorf("starting a cluster: Options.Dir is empty")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("resolving the cluster directory %q: %w", o.Dir, err)
	}
	o.Dir = dir
	if o.Root == "" {
		if o.Root, err = binaries.FindRoot("."); err != nil {
			return o, err
		}
	}
	if o.Nodes == 0 && !o.RealNode {
		o.Nodes = DefaultNodes
	}
	if o.Nodes > 0 && o.RealNode {
		return o, fmt.Errorf("starting a cluster: %d simulated nodes and a real one: the scheduler would mix them", o.Nodes)
	}
	if o.Nodes < 0 {
		return o, fmt.Errorf("starting a cluster: %d nodes: there must be at least one", o.Nodes)
	}
	if o.Replicas < 0 {
		return o, fmt.Errorf("starting a cluster: %d replicas: there must be at least one", o.Replicas)
	}
	if o.EtcdMembers < 0 || o.EtcdMembers > 1 && o.Replicas < 2 {
		return o, fmt.Errorf("starting a cluster: %d members of etcd for %d replicas: only several replicas share an etcd", o.EtcdMembers, o.Replicas)
	}
	if o.ServerBinary == "" {
		o.ServerBinary = o.Root.Bin(binaries.SandboxAPIServer)
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o, nil
}

// provide builds and installs what this cluster needs and is missing: before any time limit,
// it compiles for minutes the first time.
func (o Options) provide(ctx context.Context) error {
	if err := binaries.Ensure(ctx, o.Root, o.Log, o.programs()...); err != nil || !o.RealNode {
		return err
	}
	return node.Provide(ctx, o.Root, o.Log)
}

// programs of the checkout that this cluster needs in bin/.
func (o Options) programs() []string {
	var names []string
	if !o.WithoutServer && o.ServerBinary == o.Root.Bin(binaries.SandboxAPIServer) {
		names = append(names, binaries.SandboxAPIServer)
	}
	return append(names, binaries.ClusterProgram)
}
