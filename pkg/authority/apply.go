// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// backdate is how far a certificate begins before it was made, for clocks that are late.
const backdate = 5 * time.Minute

// maker makes authorities.
type maker struct {
	commonName string
	lifetime   time.Duration
	// leaves is how long a leaf may live, with the time that news of a new signer needs.
	leaves time.Duration
}

// apply returns the state after the action; s stays as it is.
func (m maker) apply(s *state, what action, now time.Time) (*state, error) {
	after := *s
	switch what {
	case begin:
		next, err := m.authority(now)
		if err != nil {
			return nil, err
		}
		after.next, after.rotated, after.publishedAt = next, s.demanded, time.Time{}
	case mark:
		after.publishedAt = now.UTC()
	case unmark:
		after.publishedAt = time.Time{}
	case promote:
		after.signer, after.next, after.previous = s.next, nil, s.signer.certificate
		after.publishedAt, after.retireAt = time.Time{}, now.Add(m.leaves).UTC()
	case retire:
		after.previous, after.retireAt = nil, time.Time{}
	case replace:
		fresh, err := m.first(now)
		if err != nil {
			return nil, err
		}
		fresh.demanded, fresh.rotated, fresh.reconnects = s.demanded, s.demanded, s.reconnects
		return fresh, nil
	}
	return &after, nil
}

// first is the state of a Secret that has just been made.
func (m maker) first(now time.Time) (*state, error) {
	signer, err := m.authority(now)
	if err != nil {
		return nil, err
	}
	return &state{signer: signer}, nil
}

// authority makes a self-signed authority, which issues leaves and no further authorities.
func (m maker) authority(now time.Time) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of an authority: %w", err)
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// Two authorities of one bundle need different subjects: some clients look their issuer up by that alone.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("%s@%d", m.commonName, now.UnixMilli())},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(m.lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	certificate, err := sign(template, &pair{certificate: template, key: key}, key.Public())
	if err != nil {
		return nil, fmt.Errorf("signing an authority: %w", err)
	}
	return &pair{certificate: certificate, key: key}, nil
}

func sign(template *x509.Certificate, signer *pair, public any) (*x509.Certificate, error) {
	raw, err := x509.CreateCertificate(rand.Reader, template, signer.certificate, public, signer.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(raw)
}

// serialNumber is a positive number of 128 bits, the most that every implementation takes.
func serialNumber() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}
