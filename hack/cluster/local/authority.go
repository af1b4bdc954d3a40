// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// AuthoritySecret holds the authority that the servers of an installation share.
const AuthoritySecret = "sandbox-apiserver-ca"

const authoritySecretPath = "/api/v1/namespaces/" + SystemNamespace + "/secrets/" + AuthoritySecret

// CAFile is the path of the authority that signed the server's certificate. Where servers
// look after that themselves it is a copy, as of the last Start or WaitAvailable.
func (s *Server) CAFile() string {
	if s.cluster.state.CertificateFiles {
		return s.cluster.paths.serving(s.name).authority
	}
	return s.cluster.paths.authority()
}

// fileAuthorities makes the servers' certificates where they come from files, and returns
// their authorities.
func (c *Cluster) fileAuthorities() ([]byte, error) {
	if !c.state.CertificateFiles {
		return nil, nil
	}
	var authorities []byte
	for _, server := range c.servers {
		authority, err := servingCertificate(c.paths.serving(server.name))
		if err != nil {
			return nil, err
		}
		authorities = append(authorities, authority...)
	}
	return authorities, nil
}

// refreshAuthority brings CAFile up to date, which fails until there is an authority.
func (s *Server) refreshAuthority(ctx context.Context, cluster rest.Interface) ([]byte, error) {
	before, err := os.ReadFile(s.CAFile())
	if s.cluster.state.CertificateFiles {
		return before, err
	}
	raw, err := cluster.Get().AbsPath(authoritySecretPath).SetHeader("Accept", "application/json").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the authority of the serving certificate: %w", err)
	}
	secret := &corev1.Secret{}
	if err := json.Unmarshal(raw, secret); err != nil {
		return nil, fmt.Errorf("decoding Secret %s: %w", AuthoritySecret, err)
	}
	authority := secret.Data["ca.crt"]
	if len(authority) == 0 {
		return nil, errors.New("no ca.crt in Secret " + AuthoritySecret)
	}
	if bytes.Equal(before, authority) {
		return authority, nil
	}
	return authority, replaceFile(s.CAFile(), authority)
}

// replaceFile writes a file of the owner's in one step: a reader sees the old content or the new one.
func replaceFile(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
