// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"net/url"

	"go.etcd.io/etcd/server/v3/embed"
)

const (
	memberName = "embedded"
	// noPeer stands where a peer URL must: a member without peers never
	// dials it, and without a listen URL nobody can connect to it.
	noPeer = "unix://" + memberName
	// defragThresholdMegabytes: below it the time at start buys too little.
	defragThresholdMegabytes = 256
)

// SoleMember is how the only member of an embedded etcd is called, and its peer URL.
func SoleMember() (name, peerURL string) { return memberName, noPeer }

// commonConfig is what all members have in common. It keeps etcd's defaults (snapshot
// every 10,000 entries, five WAL files, 1.5 MiB a request) except where a comment
// says why not.
func (l *lifetime) commonConfig(name, dir string, quotaBytes int64) *embed.Config {
	c := embed.NewConfig()
	c.Name, c.Dir = name, dir
	c.QuotaBackendBytes = quotaBytes
	c.BootstrapDefragThresholdMegabytes = defragThresholdMegabytes
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newLogger(l.stopping))
	c.EnableGRPCGateway = false
	// Compaction belongs to the API server, see the package documentation.
	c.AutoCompactionRetention = "0"
	return c
}

// config is that of a member without peers and without a TCP port.
func (s *Server) config() *embed.Config {
	c := s.commonConfig(memberName, s.options.DataDir, s.options.QuotaBytes)

	c.ListenPeerUrls = nil
	c.AdvertisePeerUrls = []url.URL{{Scheme: "unix", Host: memberName}}
	c.InitialCluster = memberName + "=" + noPeer

	client := url.URL{Scheme: "unix", Path: s.sockets.client()}
	c.ListenClientUrls = []url.URL{client}
	c.AdvertiseClientUrls = []url.URL{client}
	// On a socket of its own HTTP does not put a multiplexer in front of gRPC.
	c.ListenClientHttpUrls = []url.URL{{Scheme: "unix", Path: s.sockets.http()}}
	// The directory's mode is the authentication.
	c.AuthToken = ""
	return c
}
