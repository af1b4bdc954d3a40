// SPDX-License-Identifier: Apache-2.0

package options

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/authority"
	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd"
)

const (
	defaultEtcdName       = "sandbox-etcd"
	defaultEtcdDataDir    = "/var/lib/sandbox-etcd"
	defaultEtcdCertDir    = "/run/sandbox-etcd"
	defaultEtcdMembers    = 3
	defaultEtcdClientPort = 2379
	defaultEtcdPeerPort   = 2380
	defaultEtcdHealthPort = 2381
)

// Etcd are the flags of one member of the etcd that replicas share.
type Etcd struct {
	EtcdMember
	Listen     embeddedetcd.Listen
	QuotaBytes int64
	// CertificateDir holds ca.crt, tls.crt and tls.key.
	CertificateDir     string
	ManageCertificates bool
	Kubeconfig         string
	Logs               *logsapi.LoggingConfiguration
}

// EtcdMember says which member of which etcd.
type EtcdMember struct {
	Name, DataDir string
	// Service, Namespace, Members and ClusterDomain name the peers, unless InitialCluster does.
	Service, Namespace, ClusterDomain string
	Members                           int
	InitialCluster                    string
	peerPort                          *int
}

// NewEtcd returns the defaults. The name is that of the host, which is the Pod's.
func NewEtcd() *Etcd {
	o := &Etcd{
		EtcdMember: EtcdMember{
			DataDir: defaultEtcdDataDir, Service: defaultEtcdName, Namespace: defaultLeaseNamespace,
			ClusterDomain: defaultClusterDomain, Members: defaultEtcdMembers,
		},
		Listen:             embeddedetcd.Listen{Address: "0.0.0.0", Peer: defaultEtcdPeerPort, Client: defaultEtcdClientPort, Health: defaultEtcdHealthPort},
		QuotaBytes:         embeddedetcd.DefaultQuotaBytes,
		CertificateDir:     defaultEtcdCertDir,
		ManageCertificates: true,
		Logs:               logsapi.NewLoggingConfiguration(),
	}
	o.peerPort = &o.Listen.Peer
	if name, err := os.Hostname(); err == nil {
		o.Name = name
	}
	return o
}

// Flags returns every flag by section, as --help prints them.
func (o *Etcd) Flags() cliflag.NamedFlagSets {
	var sections cliflag.NamedFlagSets
	member := sections.FlagSet("member")
	member.StringVar(&o.Name, "name", o.Name, "Name of this member: that of its Pod.")
	member.StringVar(&o.DataDir, "data-dir", o.DataDir, "Directory of this member's data, which are in etcd/ below it.")
	member.Int64Var(&o.QuotaBytes, "quota-bytes", o.QuotaBytes, "Largest size of the database, the same for all members.")
	member.StringVar(&o.Listen.Address, "listen-address", o.Listen.Address, "IP address to listen on.")
	member.IntVar(&o.Listen.Client, "client-port", o.Listen.Client, "Port of clients, the same for all members unless --initial-cluster is given.")
	member.IntVar(&o.Listen.Peer, "peer-port", o.Listen.Peer, "Port of the other members, the same for all of them unless --initial-cluster is given.")
	member.IntVar(&o.Listen.Health, "health-port", o.Listen.Health, "Port of /livez, /readyz and /metrics, over plain HTTP.")
	cluster := sections.FlagSet("cluster")
	o.addPeerFlags(cluster)
	certificates := sections.FlagSet("certificates")
	certificates.StringVar(&o.CertificateDir, "certificate-dir", o.CertificateDir, "Directory of ca.crt, tls.crt and tls.key. "+
		"A member's certificate is for servers and clients and has the DNS name SERVICE.NAMESPACE.svc beside its own; a client's does not.")
	certificates.BoolVar(&o.ManageCertificates, "manage-certificates", o.ManageCertificates,
		"Keep these files by itself, from an authority in Secret sandbox-etcd-ca.")
	certificates.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "Kubeconfig for that Secret. Empty: that of the Pod.")
	logsapi.AddFlags(o.Logs, sections.FlagSet("logs"))
	return sections
}

func (m *EtcdMember) addPeerFlags(flags *pflag.FlagSet) {
	flags.StringVar(&m.Service, "service", m.Service, "Headless Service of the members. It must publish addresses that are not ready.")
	flags.StringVar(&m.Namespace, "namespace", m.Namespace, "Namespace of the members.")
	flags.StringVar(&m.ClusterDomain, "cluster-domain", m.ClusterDomain, "DNS domain of the cluster.")
	flags.IntVar(&m.Members, "members", m.Members, "Number of members: their names end with 0 to one less.")
	flags.StringVar(&m.InitialCluster, "initial-cluster", m.InitialCluster,
		"All members as NAME=https://HOST:PORT, separated by commas, for members that are not Pods of a StatefulSet.")
}

// Complete checks the flags and sets up logging.
func (o *Etcd) Complete() (embeddedetcd.MemberOptions, error) {
	if err := logsapi.ValidateAndApply(o.Logs, utilfeature.DefaultFeatureGate); err != nil {
		return embeddedetcd.MemberOptions{}, err
	}
	peers, err := o.Peers()
	if err != nil {
		return embeddedetcd.MemberOptions{}, err
	}
	if net.ParseIP(o.Listen.Address) == nil {
		return embeddedetcd.MemberOptions{}, fmt.Errorf("--listen-address %q: must be an IP address", o.Listen.Address)
	}
	file := func(name string) string { return filepath.Join(o.CertificateDir, name) }
	return embeddedetcd.MemberOptions{
		Name: o.Name, DataDir: EtcdDataDir(o.DataDir), QuotaBytes: o.QuotaBytes, Listen: o.Listen,
		Peers: peers, Token: o.Namespace + "/" + o.Service,
		Certificates: embeddedetcd.Certificates{
			Authority: file("ca.crt"), Certificate: file("tls.crt"), Key: file("tls.key"), PeerName: o.serviceName(),
		},
	}, nil
}

// EtcdDataDir is where members keep their data below --data-dir, embedded or not:
// below, since the root of a volume is not theirs alone.
func EtcdDataDir(dataDir string) string { return filepath.Join(dataDir, "etcd") }

var ordinalName = regexp.MustCompile(`^(.+)-(\d+)$`)

// Ordinal is the number in the name of a StatefulSet's Pod, 0 for other names.
func (m *EtcdMember) Ordinal() int {
	parts := ordinalName.FindStringSubmatch(m.Name)
	if parts == nil {
		return 0
	}
	n, err := strconv.Atoi(parts[2])
	if err != nil {
		return 0
	}
	return n
}

// Peers are all members, as etcd's initial cluster.
func (m *EtcdMember) Peers() (string, error) {
	if m.DataDir == "" || m.Name == "" {
		return "", errors.New("--data-dir and --name must not be empty")
	}
	if m.InitialCluster != "" {
		return m.InitialCluster, nil
	}
	parts := ordinalName.FindStringSubmatch(m.Name)
	if parts == nil || m.Ordinal() >= m.Members {
		return "", fmt.Errorf("--name %q: must be the name of a StatefulSet's Pod, ending with a number less than --members (%d), or give --initial-cluster", m.Name, m.Members)
	}
	peers := make([]string, m.Members)
	for i := range peers {
		name := parts[1] + "-" + strconv.Itoa(i)
		peers[i] = fmt.Sprintf("%s=https://%s", name, net.JoinHostPort(m.host(name), strconv.Itoa(*m.peerPort)))
	}
	return strings.Join(peers, ","), nil
}

// serviceName is what tells a member's certificate from that of a client.
func (m *EtcdMember) serviceName() string { return m.Service + "." + m.Namespace + ".svc" }

func (m *EtcdMember) host(name string) string {
	return name + "." + m.serviceName() + "." + m.ClusterDomain
}

// CertificateRequest is for a certificate of this member.
func (o *Etcd) CertificateRequest() (authority.Request, error) {
	r := authority.Request{CommonName: o.Name, Usages: authority.ServerAndClient, IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	r.DNSNames = []string{o.serviceName(), "localhost"}
	if o.InitialCluster == "" {
		r.DNSNames = append(r.DNSNames, o.Name+"."+o.serviceName(), o.host(o.Name))
		return r, nil
	}
	for member := range strings.SplitSeq(o.InitialCluster, ",") {
		name, raw, _ := strings.Cut(member, "=")
		peer, err := url.Parse(raw)
		if err != nil {
			return r, fmt.Errorf("--initial-cluster %q: %w", o.InitialCluster, err)
		}
		if name != o.Name {
			continue
		}
		if ip := net.ParseIP(peer.Hostname()); ip != nil {
			r.IPs = append(r.IPs, ip)
		} else {
			r.DNSNames = append(r.DNSNames, peer.Hostname())
		}
	}
	return r, nil
}
