// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"net/url"

	"go.etcd.io/etcd/server/v3/embed"
)

const (
	memberName = "embedded"
	// peerName stands where a peer URL must: a member without peers never
	// dials it, and without a listen URL nobody can connect to it.
	peerName = "unix://" + memberName
	// defragThresholdMegabytes: below it the time at start buys too little.
	defragThresholdMegabytes = 256
)

// config keeps etcd's defaults (snapshot every 10,000 entries, five WAL files,
// 1.5 MiB a request) except where a comment says why not.
func (s *Server) config() *embed.Config {
	c := embed.NewConfig()
	c.Name = memberName
	c.Dir = s.options.DataDir
	c.QuotaBackendBytes = s.options.QuotaBytes
	c.BootstrapDefragThresholdMegabytes = defragThresholdMegabytes
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newLogger(&s.stopping))

	c.ListenPeerUrls = nil
	c.AdvertisePeerUrls = []url.URL{{Scheme: "unix", Host: memberName}}
	c.InitialCluster = memberName + "=" + peerName

	client := url.URL{Scheme: "unix", Path: s.sockets.client()}
	c.ListenClientUrls = []url.URL{client}
	c.AdvertiseClientUrls = []url.URL{client}
	// On a socket of its own HTTP does not put a multiplexer in front of gRPC.
	c.ListenClientHttpUrls = []url.URL{{Scheme: "unix", Path: s.sockets.http()}}
	c.EnableGRPCGateway = false
	// The directory's mode is the authentication.
	c.AuthToken = ""

	// Compaction belongs to the API server, see the package documentation.
	c.AutoCompactionRetention = "0"
	return c
}
