// SPDX-License-Identifier: Apache-2.0

package options

import (
	"errors"
	"path/filepath"

	"github.com/spf13/pflag"

	"agents.x-k8s.io/sandbox-apiserver/pkg/authority"
)

func (o *Options) addEtcdCertificateFlag(flags *pflag.FlagSet) {
	flags.BoolVar(&o.EtcdManageCertificates, "etcd-manage-certificates", o.EtcdManageCertificates,
		"Keep a certificate for --etcd-servers below --cert-dir, from the authority in Secret sandbox-etcd-ca, instead of --etcd-cafile, --etcd-certfile and --etcd-keyfile.")
}

// EtcdCertificateDir is where the managed certificate is.
func (o *Options) EtcdCertificateDir() string {
	return filepath.Join(o.Recommended.SecureServing.ServerCert.CertDirectory, "etcd")
}

// EtcdCertificateRequest has no DNS name: the bearer is a client, and no member.
func (o *Options) EtcdCertificateRequest() authority.Request {
	return authority.Request{CommonName: ServiceName, Usages: authority.Client}
}

// completeEtcdCertificates leaves files alone that were given, for Validate to see.
func (c *completed) completeEtcdCertificates() {
	transport := &c.Recommended.Etcd.StorageConfig.Transport
	if !c.EtcdManageCertificates || transport.TrustedCAFile+transport.CertFile+transport.KeyFile != "" {
		return
	}
	file := func(name string) string { return filepath.Join(c.EtcdCertificateDir(), name) }
	transport.TrustedCAFile, transport.CertFile, transport.KeyFile = file("ca.crt"), file("tls.crt"), file("tls.key")
}

func (c Completed) validateEtcdCertificates() []error {
	switch {
	case !c.EtcdManageCertificates:
		return nil
	case c.EmbeddedEtcd != nil:
		return []error{errors.New("--etcd-manage-certificates is for an external etcd: give --etcd-servers, too")}
	case filepath.Dir(c.Recommended.Etcd.StorageConfig.Transport.CertFile) != c.EtcdCertificateDir():
		return []error{errors.New("--etcd-manage-certificates makes its own files: give it, or --etcd-cafile, --etcd-certfile and --etcd-keyfile")}
	}
	return nil
}
