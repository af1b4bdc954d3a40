// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/pkg/v3/featuregate"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/features"
	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

// MemberOptions describe one member of an etcd of several.
type MemberOptions struct {
	// Name is this member's in Peers.
	Name string
	// DataDir is as in Options.
	DataDir string
	// QuotaBytes is as in Options, and must be the same for all members.
	QuotaBytes int64
	// Peers are all members as NAME=https://HOST:PORT, separated by commas, this one
	// too. The order does not matter; the text must mean the same to every member.
	Peers string
	// Token keeps members of different clusters apart that have the same addresses.
	Token string
	// Listen says where to.
	Listen Listen
	// Certificates are for peers and clients alike.
	Certificates Certificates
}

// Listen is an IP address and its ports. Health speaks plain HTTP and answers
// /livez, /readyz and /metrics; the others want a client certificate.
type Listen struct {
	Address              string
	Peer, Client, Health int
}

// Certificates are PEM files. Certificate and key are read again for every
// handshake, so that they can be replaced at any time; Authority is read once.
type Certificates struct {
	Certificate, Key, Authority string
	// PeerName must be among the DNS names of a certificate, or whoever has it is a
	// client and no peer: everybody who may read the data does not become a voter.
	PeerName string
}

// Member is one of several members. It runs once: after Run has returned, make a new one.
type Member struct {
	options MemberOptions
	peers   types.URLsMap
	sockets socketDir
	// clusterID is the one that the cluster has if it was founded by these peers with
	// this token; a restored cluster has another.
	clusterID types.ID
	lifetime
}

// NewMember checks the options and touches nothing.
func NewMember(o MemberOptions) (*Member, error) {
	dir, sockets, err := resolveDataDir(o.DataDir)
	if err != nil {
		return nil, err
	}
	o.DataDir, o.QuotaBytes = dir, cmp.Or(o.QuotaBytes, DefaultQuotaBytes)
	peers, err := parsePeers(o.Name, o.Peers)
	if err != nil {
		return nil, err
	}
	founded, err := membership.NewClusterFromURLsMap(zap.NewNop(), o.Token, peers)
	if err != nil {
		return nil, fmt.Errorf("naming the cluster of %q: %w", o.Peers, err)
	}
	return &Member{options: o, peers: peers, sockets: sockets, clusterID: founded.ID(), lifetime: newLifetime()}, nil
}

func parsePeers(name, text string) (types.URLsMap, error) {
	peers, err := types.NewURLsMap(text)
	if err != nil {
		return nil, fmt.Errorf("reading the peers %q: %w", text, err)
	}
	if len(peers[name]) == 0 {
		return nil, fmt.Errorf("reading the peers %q: %q is not among them", text, name)
	}
	for peer, urls := range peers {
		if len(urls) != 1 || urls[0].Scheme != "https" {
			return nil, fmt.Errorf("reading the peers %q: %s must have exactly one URL, and that with https", text, peer)
		}
	}
	return peers, nil
}

// Run founds the cluster together with the others, joins the one there is, or
// goes on where the data directory ends; see the package documentation. Then it
// serves until ctx is done, when it hands leadership over and returns nil.
func (m *Member) Run(ctx context.Context) error {
	lock, err := claimDataDir(m.options.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := m.sockets.create(); err != nil {
		return err
	}
	defer m.sockets.remove()
	config, err := m.config()
	if err != nil {
		return err
	}
	if !HasData(m.options.DataDir) {
		if config.InitialCluster, config.ClusterState, err = m.begin(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	klog.InfoS("Starting etcd", "member", m.options.Name, "cluster", config.InitialCluster, "state", config.ClusterState)
	return m.serve(ctx, config, m.accompany)
}

func (m *Member) config() (*embed.Config, error) {
	o := m.options
	c := m.commonConfig(o.Name, o.DataDir, o.QuotaBytes)
	c.InitialCluster, c.InitialClusterToken = o.Peers, o.Token
	c.AdvertisePeerUrls = m.peers[o.Name]
	c.ListenPeerUrls = []url.URL{o.Listen.url("https", o.Listen.Peer)}
	c.ListenClientUrls = []url.URL{o.Listen.url("https", o.Listen.Client)}
	c.AdvertiseClientUrls = []url.URL{{
		Scheme: "https", Host: net.JoinHostPort(m.peers[o.Name][0].Hostname(), strconv.Itoa(o.Listen.Client)),
	}}
	// As for the embedded one: no multiplexer in front of gRPC.
	c.ListenClientHttpUrls = []url.URL{{Scheme: "unix", Path: m.sockets.http()}}
	c.ListenMetricsUrls = []url.URL{o.Listen.url("http", o.Listen.Health)}
	c.PeerTLSInfo, c.ClientTLSInfo = o.Certificates.peer(), o.Certificates.client()
	// The certificate is the authentication.
	c.AuthToken = ""
	gate, ok := c.ServerFeatureGate.(featuregate.MutableFeatureGate)
	if !ok {
		return nil, fmt.Errorf("setting etcd's features: %T cannot be set", c.ServerFeatureGate)
	}
	// A member whose data differ from the others' must not serve them.
	return c, gate.SetFromMap(map[string]bool{string(features.InitialCorruptCheck): true, string(features.CompactHashCheck): true})
}

func (l Listen) url(scheme string, port int) url.URL {
	return url.URL{Scheme: scheme, Host: l.hostPort(port)}
}

func (l Listen) hostPort(port int) string { return net.JoinHostPort(l.Address, strconv.Itoa(port)) }

// client is for the client port, and for this member where it is a client itself.
func (c Certificates) client() transport.TLSInfo {
	return transport.TLSInfo{
		CertFile: c.Certificate, KeyFile: c.Key, TrustedCAFile: c.Authority,
		ClientCertAuth: true,
		// Behind a Service, or with a Pod's changing address, the names of a client are
		// not those of where it calls from.
		SkipClientSANVerify: true,
	}
}

func (c Certificates) peer() transport.TLSInfo {
	info := c.client()
	info.AllowedHostnames = []string{c.PeerName}
	return info
}
