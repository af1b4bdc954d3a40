// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"time"
)

// pair is an authority with its key.
type pair struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// state is what the Secret says.
type state struct {
	// signer issues the leaves.
	signer *pair
	// next is in the bundle and does not sign yet; nil outside a rotation.
	next *pair
	// previous is in the bundle until its leaves have expired; nil if there is none.
	previous *x509.Certificate

	// demanded is what the administrator wrote, rotated the last value that was used up.
	demanded, rotated string
	// publishedAt is when the bundle with next in it was first seen published; zero before that.
	publishedAt time.Time
	// retireAt is when the last leaf of previous has expired.
	retireAt time.Time
	// reconnects counts the times somebody asked for new connections.
	reconnects int64
}

// authorities returns all that is to be trusted, the oldest first: the order must not depend on who signs, or a bundle would
// change where trust does not.
func (s *state) authorities() []*x509.Certificate {
	all := []*x509.Certificate{s.signer.certificate}
	if s.next != nil {
		all = append(all, s.next.certificate)
	}
	if s.previous != nil {
		all = append(all, s.previous)
	}
	slices.SortFunc(all, func(a, b *x509.Certificate) int {
		if order := a.NotBefore.Compare(b.NotBefore); order != 0 {
			return order
		}
		return bytes.Compare(a.Raw, b.Raw)
	})
	return all
}

// certificates is authorities in PEM.
func (s *state) certificates() []byte {
	var out []byte
	for _, certificate := range s.authorities() {
		out = append(out, encodeCertificate(certificate)...)
	}
	return out
}

// bundle is certificates with the reconnect generation as a comment, which PEM allows outside its blocks.
func (s *state) bundle() []byte {
	if s.reconnects == 0 {
		return s.certificates()
	}
	return append(fmt.Appendf(nil, "# reconnect generation %d\n", s.reconnects), s.certificates()...)
}

func encodeCertificate(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}
