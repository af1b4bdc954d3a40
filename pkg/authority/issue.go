// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"time"
)

// The usual values of Request.Usages.
var (
	Server          = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	Client          = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	ServerAndClient = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
)

// Request says what a leaf is to be good for.
type Request struct {
	CommonName string
	DNSNames   []string
	IPs        []net.IP
	Usages     []x509.ExtKeyUsage
	// Lifetime is at most Options.LeafLifetime, which is also taken for 0: the old authority leaves the bundle that long
	// after a rotation.
	Lifetime time.Duration
	// Key is used if there is one, else a new one is made (ECDSA P-256).
	Key crypto.Signer
}

// Leaf is a certificate with its key, both in PEM. It is not changed by anybody.
type Leaf struct {
	Certificate, Key []byte
	NotAfter         time.Time

	renewAt time.Time
	signer  []byte
}

// renewShare: a leaf is renewed when two thirds of its life have passed.
const renewShare = 3

// Issue makes a leaf, valid from a little before now. Its life ends with that of its signer, if that is sooner.
func (a *Authority) Issue(request Request) (*Leaf, error) {
	s := a.current.Load()
	if s == nil {
		return nil, errors.New("issuing a certificate: the authority has not been read yet")
	}
	now := a.options.Now()
	notAfter := now.Add(a.lifetime(request))
	if s.signer.certificate.NotAfter.Before(notAfter) {
		notAfter = s.signer.certificate.NotAfter
	}
	leaf, err := issue(request, s.signer, now, notAfter)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate for %q: %w", request.CommonName, err)
	}
	return leaf, nil
}

func (a *Authority) lifetime(request Request) time.Duration {
	if request.Lifetime <= 0 {
		return a.options.LeafLifetime
	}
	return min(request.Lifetime, a.options.LeafLifetime)
}

func issue(request Request, signer *pair, now, notAfter time.Time) (*Leaf, error) {
	key := request.Key
	if key == nil {
		var err error
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, err
		}
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	certificate, err := sign(&x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: request.CommonName},
		DNSNames:              request.DNSNames,
		IPAddresses:           request.IPs,
		NotBefore:             now.Add(-backdate),
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           request.Usages,
		BasicConstraintsValid: true,
	}, signer, key.Public())
	if err != nil {
		return nil, err
	}
	encodedKey, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return &Leaf{
		Certificate: encodeCertificate(certificate),
		Key:         encodedKey,
		NotAfter:    notAfter,
		renewAt:     notAfter.Add(-notAfter.Sub(now) / renewShare),
		signer:      signer.certificate.Raw,
	}, nil
}

// RenewIn returns how long the leaf is to be used: until two thirds of its life have passed, and not at all (0) once another
// authority signs.
func (a *Authority) RenewIn(leaf *Leaf) time.Duration {
	s := a.current.Load()
	if s == nil || !bytes.Equal(s.signer.certificate.Raw, leaf.signer) {
		return 0
	}
	return max(leaf.renewAt.Sub(a.options.Now()), 0)
}
