// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"golang.org/x/sync/errgroup"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

// Relay passes connections to the first port on to the second, for each pair, until ctx ends.
func Relay(ctx context.Context, ports [][2]int) error {
	var config net.ListenConfig
	relays, ctx := errgroup.WithContext(ctx)
	for _, pair := range ports {
		relays.Go(func() error {
			listener, err := config.Listen(ctx, "tcp", loopback(pair[0]))
			if err != nil {
				return fmt.Errorf("listening on port %d: %w", pair[0], err)
			}
			target := []string{loopback(pair[1])}
			return Balance(ctx, listener, func() []string { return target })
		})
	}
	return relays.Wait()
}

// linkState is the network between one replica and the members of etcd.
type linkState struct {
	// Ports has one for each member.
	Ports []int           `json:"ports"`
	Relay *process.Record `json:"relay,omitempty"`
}

// CutEtcd drops what this replica and etcd send each other, as a network that has gone
// does: nothing is refused, nothing arrives. It needs several members of etcd.
func (s *Server) CutEtcd() error { return s.signalLink(syscall.SIGSTOP) }

// HealEtcd ends the cut; what was sent meanwhile arrives.
func (s *Server) HealEtcd() error { return s.signalLink(syscall.SIGCONT) }

func (s *Server) signalLink(signal syscall.Signal) error {
	link := s.state.Link
	if link == nil || link.Relay == nil {
		return errors.New("the network between " + s.name + " and etcd is not ours to cut: Options.EtcdMembers is 1")
	}
	return link.Relay.Signal(signal)
}

// bringUpLinks starts a relay for each replica that reaches etcd through one.
func (c *Cluster) bringUpLinks() error {
	for _, server := range c.servers {
		link := server.state.Link
		if link == nil {
			continue
		}
		args := []string{"relay"}
		for i, port := range link.Ports {
			args = append(args, strconv.Itoa(port)+"="+strconv.Itoa(c.state.Shared.Etcd[i].Port))
		}
		if err := c.bringUpProcess(&link.Relay, server.linkName(), c.root.Bin(binaries.ClusterProgram), args...); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) linkName() string { return s.name + "-link" }

// etcdServers are what this replica calls the members of etcd, nil if it has its own.
func (s *Server) etcdServers() []string {
	if link := s.state.Link; link != nil {
		return urls(link.Ports...)
	}
	if endpoint := s.cluster.EtcdEndpoint(); endpoint != "" {
		return []string{endpoint}
	}
	return nil
}

func urls(ports ...int) []string {
	var all []string
	for _, port := range ports {
		all = append(all, "http://"+loopback(port))
	}
	return all
}
