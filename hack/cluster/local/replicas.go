// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

// The processes that several replicas share, as they are called in logs and Processes.
const (
	sharedEtcd = "sandbox-etcd"
	balancer   = "sandbox-balancer"
)

// Replicas are all processes of sandbox-apiserver, the first one first.
func (c *Cluster) Replicas() []*Server { return slices.Clone(c.servers) }

// addServers makes a Server for each replica that the state knows, and what they share.
func (c *Cluster) addServers(binary string, args []string) {
	c.addMembers()
	for i, server := range c.state.servers() {
		name := binaries.SandboxAPIServer
		if i > 0 {
			name += "-" + strconv.Itoa(i+1)
		}
		c.servers = append(c.servers, &Server{cluster: c, name: name, state: server, binary: binary, args: args})
	}
	c.Server = c.servers[0]
}

// recorded are the processes beside the control plane that were not stopped on purpose.
func (c *Cluster) recorded() map[string]*process.Record {
	records := map[string]*process.Record{}
	for _, server := range c.servers {
		records[server.name] = server.state.Server
		if link := server.state.Link; link != nil {
			records[server.linkName()] = link.Relay
		}
	}
	for _, member := range c.members {
		records[member.name] = member.state.Process
	}
	if shared := c.state.Shared; shared != nil {
		records[balancer] = shared.Balancer
	}
	if c.Node != nil {
		for name, record := range c.Node.Processes() {
			records[name] = &record
		}
	}
	for name, record := range records {
		if record == nil {
			delete(records, name)
		}
	}
	return records
}

// launch starts a process that is not part of the control plane. The caller records it.
func (c *Cluster) launch(name, program string, args ...string) (process.Record, error) {
	log := c.paths.log(name)
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return process.Record{}, fmt.Errorf("making the log directory: %w", err)
	}
	return process.Start(process.Spec{Program: program, Args: args, Dir: c.paths.dir, LogFile: log})
}

// bringUpShared starts what stands behind and before several replicas.
func (c *Cluster) bringUpShared(ctx context.Context) error {
	shared := c.state.Shared
	if shared == nil {
		return nil
	}
	if err := c.bringUpEtcd(ctx); err != nil {
		return err
	}
	if err := c.bringUpLinks(); err != nil {
		return err
	}
	args := []string{"balance", strconv.Itoa(shared.BalancerPort)}
	for _, server := range c.servers {
		args = append(args, server.Address())
	}
	return c.bringUpProcess(&shared.Balancer, balancer, c.root.Bin(binaries.ClusterProgram), args...)
}

// bringUpProcess starts a process, unless the recorded one is alive, and records it.
func (c *Cluster) bringUpProcess(record **process.Record, name, program string, args ...string) error {
	if *record != nil && (*record).Alive() {
		return nil
	}
	c.tell("starting " + name)
	started, err := c.launch(name, program, args...)
	if err != nil {
		return err
	}
	*record = &started
	return c.writeState()
}

// endShared kills what replicas share: nobody uses its data any more.
func (c *Cluster) endShared(ctx context.Context) error {
	shared := c.state.Shared
	if shared == nil {
		return nil
	}
	owned := []**process.Record{&shared.Balancer}
	for _, member := range shared.Etcd {
		owned = append(owned, &member.Process)
	}
	for _, server := range c.state.servers() {
		if server.Link != nil {
			owned = append(owned, &server.Link.Relay)
		}
	}
	var records []process.Record
	for _, record := range owned {
		if *record != nil {
			records = append(records, **record)
			*record = nil
		}
	}
	return process.End(ctx, 0, records...)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
