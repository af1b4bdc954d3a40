// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

// memberState is what is known of one member of the etcd that replicas share.
type memberState struct {
	Port     int             `json:"port"`
	PeerPort int             `json:"peerPort"`
	Process  *process.Record `json:"process,omitempty"`
}

// EtcdMember is one process of the etcd that several replicas share. It keeps address
// and data over restarts. It is as safe for concurrent use as a Server.
type EtcdMember struct {
	cluster *Cluster
	name    string
	state   *memberState
}

// EtcdMembers are all members of the etcd that several replicas share; none if there is
// one replica: its etcd listens on a socket of its own.
func (c *Cluster) EtcdMembers() []*EtcdMember { return slices.Clone(c.members) }

// EtcdEndpoint is the URL of the first member, empty if there is none.
func (c *Cluster) EtcdEndpoint() string {
	if len(c.members) == 0 {
		return ""
	}
	return c.members[0].Endpoint()
}

// addMembers makes an EtcdMember for each that the state knows.
func (c *Cluster) addMembers() {
	if c.state.Shared == nil {
		return
	}
	for i, state := range c.state.Shared.Etcd {
		name := sharedEtcd
		if i > 0 {
			name += "-" + strconv.Itoa(i+1)
		}
		c.members = append(c.members, &EtcdMember{cluster: c, name: name, state: state})
	}
}

// Name is what the member is called in etcd, in Processes and in LogPaths.
func (m *EtcdMember) Name() string { return m.name }

// Endpoint is the URL where clients reach this very member.
func (m *EtcdMember) Endpoint() string { return urls(m.state.Port)[0] }

// Kill ends the process with SIGKILL and returns when it is gone.
func (m *EtcdMember) Kill(ctx context.Context) error {
	record := m.state.Process
	if record == nil {
		return nil
	}
	if err := process.End(ctx, 0, *record); err != nil {
		return err
	}
	m.state.Process = nil
	return m.cluster.writeState()
}

// Start starts the process, unless it is running, and returns when it serves.
func (m *EtcdMember) Start(ctx context.Context) error {
	if err := m.launch(); err != nil {
		return err
	}
	return m.waitReady(ctx)
}

func (m *EtcdMember) launch() error {
	return m.cluster.bringUpProcess(&m.state.Process, m.name, m.cluster.root.Bin(binaries.Etcd), m.args()...)
}

func (m *EtcdMember) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, availableTimeout)
	defer cancel()
	if err := reasoned(ctx, m.name, m.cluster.tell, m.ready); err != nil {
		return fmt.Errorf("%w\nthe end of its log:\n%s", err, tail(m.cluster.paths.log(m.name), 20))
	}
	return nil
}

func (m *EtcdMember) args() []string {
	client, peer := m.Endpoint(), urls(m.state.PeerPort)[0]
	var all []string
	for _, member := range m.cluster.members {
		all = append(all, member.name+"="+urls(member.state.PeerPort)[0])
	}
	return []string{
		"--name=" + m.name,
		"--data-dir=" + filepath.Join(m.cluster.paths.sharedEtcdData(), m.name),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=" + strings.Join(all, ","),
	}
}

func (m *EtcdMember) ready(ctx context.Context) error {
	if !m.state.Process.Alive() {
		return &terminalError{errors.New("the process has ended")}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.Endpoint()+"/readyz", nil)
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

// bringUpEtcd starts all members before it waits for any: one alone has no leader.
func (c *Cluster) bringUpEtcd(ctx context.Context) error {
	for _, member := range c.members {
		if err := member.launch(); err != nil {
			return err
		}
	}
	for _, member := range c.members {
		if err := member.waitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}
