// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

const (
	membershipTimeout = 10 * time.Second
	promoteInterval   = time.Second
)

// errLives ends a member that would push out another one.
var errLives = errors.New("give --name another value, or end the other process")

// joinCluster makes room for this member in the cluster of the others, as a learner,
// which has no vote before it has the data. Its predecessor with the lost disk is
// removed first, unless it answers; etcd refuses that, and every other step, when the
// members that are there could not decide without it. It returns etcd's initial cluster.
func (m *Member) joinCluster(ctx context.Context, ask *inquiry, answers []answer) (string, error) {
	client, err := m.dial(endpoints(m.options.Name, answers))
	if err != nil {
		return "", err
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	list, err := client.MemberList(ctx)
	if err != nil {
		return "", fmt.Errorf("listing the members of etcd: %w", err)
	}
	members := list.Members
	self := m.find(members)
	if self != nil && self.Name != "" {
		if lives(ctx, client, ask, self) {
			return "", fmt.Errorf("joining as %q: the member %x is called %q, has the address %v, and answers: %w", m.options.Name, self.ID, self.Name, self.PeerURLs, errLives)
		}
		klog.InfoS("Removing the member whose disk was lost, to join again", "member", m.options.Name, "id", fmt.Sprintf("%x", self.ID))
		if _, err := client.MemberRemove(ctx, self.ID); err != nil {
			return "", fmt.Errorf("removing the member %q whose disk was lost: %w", m.options.Name, err)
		}
		self = nil
	}
	if self == nil {
		added, err := client.MemberAddAsLearner(ctx, []string{m.peers[m.options.Name][0].String()})
		if err != nil {
			return "", fmt.Errorf("adding the member %q: %w", m.options.Name, err)
		}
		members, self = added.Members, added.Member
	}
	return m.describe(members, self.ID), nil
}

// lives says whether a member answers where it can be reached. Where this process listens
// on the peer's address itself, as the heir of a lost disk does, the answer is that there
// is nothing yet.
func lives(ctx context.Context, client *clientv3.Client, ask *inquiry, other *etcdserverpb.Member) bool {
	for _, peer := range other.PeerURLs {
		// One that is just starting knows its cluster and no members yet, which is an error.
		if a, _ := ask.ask(ctx, peer); a.clusterID != 0 {
			return true
		}
	}
	return slices.ContainsFunc(other.ClientURLs, func(url string) bool {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		status, err := client.Status(ctx, url)
		return err == nil && status.Header.MemberId == other.ID
	})
}

// find returns the member that is, or was, this one.
func (m *Member) find(members []*etcdserverpb.Member) *etcdserverpb.Member {
	peer := m.peers[m.options.Name][0].String()
	i := slices.IndexFunc(members, func(other *etcdserverpb.Member) bool {
		return other.Name == m.options.Name || slices.Contains(other.PeerURLs, peer)
	})
	if i < 0 {
		return nil
	}
	return members[i]
}

// describe writes the members as etcd wants to read them. One that has been added
// and never started has no name; any will do.
func (m *Member) describe(members []*etcdserverpb.Member, self uint64) string {
	var parts []string
	for _, member := range members {
		name := member.Name
		if member.ID == self {
			name = m.options.Name
		}
		if name == "" {
			name = fmt.Sprintf("%x", member.ID)
		}
		for _, peer := range member.PeerURLs {
			parts = append(parts, name+"="+peer)
		}
	}
	return strings.Join(parts, ",")
}

// endpoints are the client URLs of all members but this one, as the others know them.
func endpoints(name string, answers []answer) []string {
	var urls []string
	for _, a := range answers {
		for _, member := range a.members {
			if member.Name != name {
				urls = append(urls, member.ClientURLs...)
			}
		}
	}
	slices.Sort(urls)
	return slices.Compact(urls)
}

func (m *Member) dial(endpoints []string) (*clientv3.Client, error) {
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("joining the cluster of %q: no other member serves clients yet", m.options.Peers)
	}
	config, err := m.options.Certificates.client().ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the certificates of the etcd member: %w", err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, TLS: config, Logger: zap.NewNop()})
	if err != nil {
		return nil, fmt.Errorf("connecting to etcd at %v: %w", endpoints, err)
	}
	return client, nil
}

// accompany makes sure that this member belongs to the cluster of the others, and
// gives it a vote as soon as it has caught up.
func (m *Member) accompany(ctx context.Context, etcd *embed.Etcd) error {
	ask, err := m.newInquiry()
	if err != nil {
		return err
	}
	defer ask.close()
	if err := foreign(etcd.Server.Cluster().ID(), ask.all(ctx)); err != nil {
		return err
	}
	select { // Before, it does not know what it is.
	case <-etcd.Server.ReadyNotify():
	case <-ctx.Done():
		return nil
	}
	var reported time.Time
	for etcd.Server.IsLearner() {
		err := m.promote(ctx, uint64(etcd.Server.MemberID()), ask.all(ctx))
		if now := time.Now(); err != nil && now.Sub(reported) > reportInterval {
			reported = now
			klog.InfoS("This etcd member is catching up and has no vote yet", "member", m.options.Name, "reason", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(promoteInterval):
		}
	}
	return nil
}

func (m *Member) promote(ctx context.Context, id uint64, answers []answer) error {
	client, err := m.dial(endpoints(m.options.Name, answers))
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	_, err = client.MemberPromote(ctx, id)
	return err
}

// Place is which of how many members this one is, by name.
func (m *Member) Place() (place, of int) {
	names := slices.Sorted(maps.Keys(m.peers))
	return slices.Index(names, m.options.Name), len(names)
}

// OthersServe says whether every other member runs and has data: this one may stop then.
func (m *Member) OthersServe(ctx context.Context) bool {
	ask, err := m.newInquiry()
	if err != nil {
		return false
	}
	defer ask.close()
	return !slices.ContainsFunc(ask.all(ctx), func(a answer) bool { return a.silent || a.empty })
}
