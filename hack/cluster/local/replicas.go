// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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

// EtcdEndpoint is the URL of the etcd that several replicas share, empty if there is one
// replica: its etcd listens on a socket of its own.
func (c *Cluster) EtcdEndpoint() string {
	if c.state.Shared == nil {
		return ""
	}
	return "http://" + loopback(c.state.Shared.EtcdPort)
}

// addServers makes a Server for each replica that the state knows.
func (c *Cluster) addServers(binary string, args []string) {
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
	}
	if shared := c.state.Shared; shared != nil {
		records[sharedEtcd], records[balancer] = shared.Etcd, shared.Balancer
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
	err := c.bringUpProcess(&shared.Etcd, sharedEtcd, c.root.Bin(binaries.Etcd), etcdArgs(c.paths.sharedEtcdData(), shared)...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, availableTimeout)
	defer cancel()
	if err := reasoned(ctx, sharedEtcd, c.tell, c.etcdReady); err != nil {
		return fmt.Errorf("%w\nthe end of its log:\n%s", err, tail(c.paths.log(sharedEtcd), 20))
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

func etcdArgs(dataDir string, ports *sharedState) []string {
	client, peer := "http://"+loopback(ports.EtcdPort), "http://"+loopback(ports.EtcdPeerPort)
	return []string{
		"--name=" + sharedEtcd,
		"--data-dir=" + dataDir,
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=" + sharedEtcd + "=" + peer,
	}
}

func (c *Cluster) etcdReady(ctx context.Context) error {
	if record := c.state.Shared.Etcd; !record.Alive() {
		return &terminalError{errors.New("the process has ended")}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.EtcdEndpoint()+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("not serving yet: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return errors.Join(fmt.Errorf("not ready: %s", body), err)
}

// endShared kills what replicas share: nobody uses its data any more.
func (c *Cluster) endShared(ctx context.Context) error {
	shared := c.state.Shared
	if shared == nil {
		return nil
	}
	var records []process.Record
	for _, record := range []*process.Record{shared.Balancer, shared.Etcd} {
		if record != nil {
			records = append(records, *record)
		}
	}
	shared.Balancer, shared.Etcd = nil, nil
	return process.End(ctx, 0, records...)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
