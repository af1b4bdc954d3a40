// SPDX-License-Identifier: Apache-2.0

package options

import (
	"fmt"
	"net"
	"time"

	"github.com/spf13/pflag"

	"agents.x-k8s.io/sandbox-apiserver/pkg/authority"
)

// CertificateOptions are about the serving certificate that looks after itself.
type CertificateOptions struct {
	// Manage is whether it does. Complete takes it back where files are given.
	Manage bool
	// AuthorityLifetime and Lifetime are how long the authority and a certificate of it are good.
	AuthorityLifetime, Lifetime time.Duration
	// Spread is how long a new authority has been published before it signs.
	Spread time.Duration
}

func newCertificateOptions() CertificateOptions {
	return CertificateOptions{
		Manage:            true,
		AuthorityLifetime: authority.DefaultLifetime,
		Lifetime:          authority.DefaultLeafLifetime,
		Spread:            authority.DefaultSpread,
	}
}

func (o *CertificateOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.Manage, "manage-serving-certificate", o.Manage, "Issue the serving certificate from an authority in the Secret "+
		"sandbox-apiserver-ca, which is made if need be, and publish that in the APIService. Ignored when --tls-cert-file is given.")
	flags.DurationVar(&o.AuthorityLifetime, "serving-authority-lifetime", o.AuthorityLifetime,
		"How long a managed authority is good. Its rotation begins when a fifth of that is left.")
	flags.DurationVar(&o.Lifetime, "serving-certificate-lifetime", o.Lifetime,
		"How long a managed serving certificate is good. It is renewed after two thirds of that. The same on all replicas.")
	flags.DurationVar(&o.Spread, "serving-authority-spread", o.Spread,
		"How long a new authority has to be published before it signs.")
}

func (o *CertificateOptions) validate() error {
	if !o.Manage {
		return nil
	}
	if err := authority.CheckTimes(o.AuthorityLifetime, o.Lifetime, o.Spread); err != nil {
		return fmt.Errorf("--serving-authority-lifetime, --serving-certificate-lifetime and --serving-authority-spread: %w", err)
	}
	return nil
}

// completeCertificate decides where the serving certificate comes from: files, the
// server itself or, where both are refused, a self-signed one in --cert-dir.
func (c *completed) completeCertificate() error {
	serving := c.Recommended.SecureServing
	if files := serving.ServerCert.CertKey; files.CertFile != "" || files.KeyFile != "" {
		c.Certificate.Manage = false
	}
	if c.Certificate.Manage {
		return nil
	}
	service := ServiceName + "." + c.LeaseNamespace + ".svc"
	names := []string{service, ServiceName + "." + c.LeaseNamespace, service + "." + c.ClusterDomain}
	if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", names, []net.IP{net.IPv4(127, 0, 0, 1)}); err != nil {
		return fmt.Errorf("making a self-signed serving certificate: %w", err)
	}
	return nil
}
