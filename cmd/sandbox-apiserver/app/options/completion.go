// SPDX-License-Identifier: Apache-2.0

package options

import (
	"fmt"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apiserver"
	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd"
)

// ServiceName is that of the Service before the replicas: the name that the
// aggregation layer expects in the serving certificate.
const ServiceName = "sandbox-apiserver"

// Completed can only be made by Complete: everything is decided, nothing runs.
type Completed struct {
	*completed
}

type completed struct {
	*Options
	// EmbeddedEtcd is nil when the etcd is an external one.
	EmbeddedEtcd *embeddedetcd.Server
}

// Complete decides what was left open: which etcd, in which format, behind
// which certificate. A self-signed certificate is written where none is given and
// the server is not to manage its own.
func (o *Options) Complete() (Completed, error) {
	c := &completed{Options: o}
	if err := c.completeEtcd(); err != nil {
		return Completed{}, err
	}
	if err := c.completeCertificate(); err != nil {
		return Completed{}, err
	}
	if err := o.Server.DefaultAdvertiseAddress(o.Recommended.SecureServing.SecureServingOptions); err != nil {
		return Completed{}, fmt.Errorf("choosing the advertised address: %w", err)
	}
	return Completed{c}, nil
}

func (c *completed) completeEtcd() error {
	etcd := c.Recommended.Etcd
	if len(etcd.StorageConfig.Transport.ServerList) == 0 {
		embedded, err := embeddedetcd.New(embeddedetcd.Options{DataDir: EtcdDataDir(c.DataDir)})
		if err != nil {
			return err
		}
		c.EmbeddedEtcd = embedded
		etcd.StorageConfig.Transport.ServerList = []string{embedded.Endpoint()}
	}
	c.completeEtcdCertificates()
	return apiserver.UseStorageCodec(etcd)
}
