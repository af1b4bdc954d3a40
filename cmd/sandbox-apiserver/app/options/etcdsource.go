// SPDX-License-Identifier: Apache-2.0

package options

import (
	"crypto/tls"
	"fmt"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/client/pkg/v3/transport"
)

// EtcdSource says which etcd a command is about.
type EtcdSource struct {
	// DataDir holds the embedded etcd, used when no Servers are given.
	DataDir string
	Servers []string
	// The files are named like those of the server.
	CAFile, CertFile, KeyFile string
}

// AddFlags has the flags that the server has for the same; servers is what is done with
// those of an external etcd.
func (o *EtcdSource) AddFlags(flags *pflag.FlagSet, servers string) {
	flags.StringVar(&o.DataDir, "data-dir", defaultDataDir, "Directory of the server's embedded etcd, whether the server runs or not.")
	flags.StringSliceVar(&o.Servers, "etcd-servers", nil, servers)
	flags.StringVar(&o.CAFile, "etcd-cafile", "", "Authority of the external etcd's certificates.")
	flags.StringVar(&o.CertFile, "etcd-certfile", "", "Certificate to show to the external etcd.")
	flags.StringVar(&o.KeyFile, "etcd-keyfile", "", "Key of that certificate.")
}

// TLS is nil when no file is given.
func (o *EtcdSource) TLS() (*tls.Config, error) {
	if o.CAFile == "" && o.CertFile == "" && o.KeyFile == "" {
		return nil, nil
	}
	info := transport.TLSInfo{CertFile: o.CertFile, KeyFile: o.KeyFile, TrustedCAFile: o.CAFile}
	config, err := info.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading --etcd-cafile, --etcd-certfile and --etcd-keyfile: %w", err)
	}
	return config, nil
}
