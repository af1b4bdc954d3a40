// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/ports"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/statefile"
)

// state is what one call must know of an earlier one, also of another process.
type state struct {
	// Complete is set once everything has been up. What is not complete is thrown away
	// and started again.
	Complete bool `json:"complete"`
	// The first sandbox-apiserver, and the others if there are several.
	serverState
	Others []*serverState `json:"others,omitempty"`
	// CertificateFiles is what Options said.
	CertificateFiles bool `json:"certificateFiles,omitempty"`
	// Shared is what several replicas need; nil for one.
	Shared *sharedState `json:"shared,omitempty"`
	// RealNode says that containers run, on a real node instead of simulated ones.
	RealNode bool `json:"realNode,omitempty"`
	// PlanePorts are those of the control plane, in the order that kwokConfig wants.
	PlanePorts []int `json:"planePorts,omitempty"`
}

// serverState is what is known of one sandbox-apiserver.
type serverState struct {
	// ServerPort is where it listens, the same after every restart.
	ServerPort int `json:"serverPort"`
	// ServerDigest is that of the binary that was started.
	ServerDigest string `json:"serverDigest,omitempty"`
	// Server is the process, nil when it was stopped on purpose.
	Server *process.Record `json:"server,omitempty"`
	// Link is nil when nothing stands between this server and etcd.
	Link *linkState `json:"link,omitempty"`
}

// sharedState is what is known of the processes between and behind replicas.
type sharedState struct {
	Etcd         []*memberState  `json:"etcd"`
	BalancerPort int             `json:"balancerPort"`
	Balancer     *process.Record `json:"balancer,omitempty"`
}

// newState hands out all ports of a cluster in one go: a second choice could meet the
// first, whose owners do not listen yet. No replicas, or no members, mean one.
func newState(ctx context.Context, replicas, members int) (*state, error) {
	replicas, members = max(replicas, 1), max(members, 1)
	links := 0
	if members > 1 {
		links = replicas * members
	}
	free, err := ports.Free(ctx, kwokPorts+replicas+1+2*members+links)
	if err != nil {
		return nil, err
	}
	take := func(n int) []int {
		taken := free[:n]
		free = free[n:]
		return taken
	}
	s := &state{PlanePorts: take(kwokPorts), serverState: serverState{ServerPort: take(1)[0]}}
	if replicas == 1 {
		return s, nil
	}
	for _, port := range take(replicas - 1) {
		s.Others = append(s.Others, &serverState{ServerPort: port})
	}
	s.Shared = &sharedState{BalancerPort: take(1)[0]}
	for range members {
		pair := take(2)
		s.Shared.Etcd = append(s.Shared.Etcd, &memberState{Port: pair[0], PeerPort: pair[1]})
	}
	if links > 0 {
		for _, server := range s.servers() {
			server.Link = &linkState{Ports: take(members)}
		}
	}
	return s, nil
}

// servers are all replicas, the first one first.
func (s *state) servers() []*serverState {
	return append([]*serverState{&s.serverState}, s.Others...)
}

// members is how many etcd has, one when a server embeds it.
func (s *state) members() int {
	if s.Shared == nil {
		return 1
	}
	return len(s.Shared.Etcd)
}

// publicPort is where kube-apiserver reaches the server, or one of the replicas.
func (s *state) publicPort() int {
	if s.Shared != nil {
		return s.Shared.BalancerPort
	}
	return s.ServerPort
}

// readState returns nil when the directory holds no cluster.
func readState(path string) (*state, error) { return statefile.Read[state](path) }

func (s *state) write(path string) error { return statefile.Write(path, s) }
