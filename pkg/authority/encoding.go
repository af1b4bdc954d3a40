// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The keys of the Secret's data.
const (
	signerCert   = corev1.TLSCertKey
	signerKey    = corev1.TLSPrivateKeyKey
	bundleCerts  = "ca.crt"
	nextCert     = "next.crt"
	nextKey      = "next.key"
	previousCert = "previous.crt"
)

// annotations are the Secret's, which begin with the owner's prefix.
type annotations struct{ rotate, rotated, publishedAt, retireAt, reconnects string }

func annotationsOf(prefix string) annotations {
	return annotations{
		rotate:      prefix + "/rotate",
		rotated:     prefix + "/rotated",
		publishedAt: prefix + "/published-at",
		retireAt:    prefix + "/retire-at",
		reconnects:  prefix + "/reconnect-generation",
	}
}

// decode reads the Secret. Its errors name what is wrong; ca.crt is for others to read and is not looked at.
func (names annotations) decode(secret *corev1.Secret) (*state, error) {
	s := &state{demanded: secret.Annotations[names.rotate], rotated: secret.Annotations[names.rotated]}
	var errs [6]error
	s.signer, errs[0] = decodePair(secret.Data, signerCert, signerKey)
	if len(secret.Data[nextCert]) > 0 || len(secret.Data[nextKey]) > 0 {
		s.next, errs[1] = decodePair(secret.Data, nextCert, nextKey)
	}
	if len(secret.Data[previousCert]) > 0 {
		s.previous, errs[2] = decodeAuthority(secret.Data, previousCert)
	}
	s.publishedAt, errs[3] = decodeTime(secret.Annotations, names.publishedAt)
	s.retireAt, errs[4] = decodeTime(secret.Annotations, names.retireAt)
	if text := secret.Annotations[names.reconnects]; text != "" {
		if s.reconnects, errs[5] = strconv.ParseInt(text, 10, 64); errs[5] != nil {
			errs[5] = fmt.Errorf("annotation %s: %w", names.reconnects, errs[5])
		}
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return s, nil
}

func decodePair(data map[string][]byte, certificateKey, privateKey string) (*pair, error) {
	certificate, err := decodeAuthority(data, certificateKey)
	if err != nil {
		return nil, err
	}
	both, err := tls.X509KeyPair(data[certificateKey], data[privateKey])
	if err != nil {
		return nil, fmt.Errorf("data %s with %s: %w", certificateKey, privateKey, err)
	}
	key, ok := both.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("data %s: a %T cannot sign", privateKey, both.PrivateKey)
	}
	return &pair{certificate: certificate, key: key}, nil
}

func decodeAuthority(data map[string][]byte, key string) (*x509.Certificate, error) {
	block, rest := pem.Decode(data[key])
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("data %s: no certificate in PEM", key)
	}
	if another, _ := pem.Decode(rest); another != nil {
		return nil, fmt.Errorf("data %s: more than one certificate", key)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("data %s: %w", key, err)
	}
	if !certificate.IsCA {
		return nil, fmt.Errorf("data %s: the certificate is not that of an authority", key)
	}
	return certificate, nil
}

func decodeTime(from map[string]string, key string) (time.Time, error) {
	if from[key] == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, from[key])
	if err != nil {
		return time.Time{}, fmt.Errorf("annotation %s: %w", key, err)
	}
	return t, nil
}

// encode writes s into the Secret and leaves what is not the authority's alone.
func (names annotations) encode(s *state, secret *corev1.Secret) error {
	data := map[string][]byte{signerCert: encodeCertificate(s.signer.certificate), bundleCerts: s.certificates()}
	var err error
	if data[signerKey], err = encodeKey(s.signer.key); err != nil {
		return err
	}
	if s.next != nil {
		data[nextCert] = encodeCertificate(s.next.certificate)
		if data[nextKey], err = encodeKey(s.next.key); err != nil {
			return err
		}
	}
	if s.previous != nil {
		data[previousCert] = encodeCertificate(s.previous)
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	for _, key := range []string{signerCert, signerKey, bundleCerts, nextCert, nextKey, previousCert} {
		setOrDelete(secret.Data, key, data[key], len(data[key]) == 0)
	}
	names.annotate(s, secret)
	return nil
}

func (names annotations) annotate(s *state, secret *corev1.Secret) {
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	setOrDelete(secret.Annotations, names.rotated, s.rotated, s.rotated == "")
	setOrDelete(secret.Annotations, names.publishedAt, s.publishedAt.Format(time.RFC3339Nano), s.publishedAt.IsZero())
	setOrDelete(secret.Annotations, names.retireAt, s.retireAt.Format(time.RFC3339Nano), s.retireAt.IsZero())
	setOrDelete(secret.Annotations, names.reconnects, strconv.FormatInt(s.reconnects, 10), s.reconnects == 0)
}

func setOrDelete[V any](in map[string]V, key string, value V, empty bool) {
	if empty {
		delete(in, key)
		return
	}
	in[key] = value
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), nil
}
