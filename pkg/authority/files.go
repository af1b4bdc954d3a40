// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// FilesOptions say what is kept where.
type FilesOptions struct {
	// Directory belongs to the Files alone. It is made if it is not there.
	Directory string
	// Request is what the leaf is for; its Key is not used.
	Request Request
	// BundleChanged, if it is not nil, is called after ca.crt got other authorities than it had when Run began or last
	// called it. It is for programs that read certificates anew but not the authorities they trust, etcd among them: they
	// have to be restarted during Spread.
	BundleChanged func()
}

// Files keeps ca.crt, tls.crt and tls.key of one leaf in a directory, for programs that read files. The key is made once and
// stays, so that a reader never meets a certificate and a key which do not belong together, and each file is replaced in one
// step.
type Files struct {
	authority *Authority
	options   FilesOptions
	leaf      *Leaf
}

// NewFiles writes nothing yet.
func NewFiles(a *Authority, o FilesOptions) *Files { return &Files{authority: a, options: o} }

// CAFile is the path of the bundle.
func (f *Files) CAFile() string { return f.path("ca.crt") }

// CertFile is the path of the certificate.
func (f *Files) CertFile() string { return f.path("tls.crt") }

// KeyFile is the path of the key.
func (f *Files) KeyFile() string { return f.path("tls.key") }

func (f *Files) path(name string) string { return filepath.Join(f.options.Directory, name) }

// Write brings the files up to date; afterwards all three are there. The authority must have been ensured. It must not be
// called while Run runs.
func (f *Files) Write() error {
	_, _, err := f.write()
	return err
}

// Run keeps the files up to date until ctx ends: a new leaf at two thirds of the life of the old one and when another
// authority signs, a new bundle when it changes.
func (f *Files) Run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	f.authority.Notify(wake)
	Follow(ctx, wake, func(context.Context) (time.Duration, error) {
		after, changed, err := f.write()
		if changed && f.options.BundleChanged != nil {
			f.options.BundleChanged()
		}
		return after, err
	})
	return nil
}

// write returns when it wants to be called again, and whether a bundle that was there has been replaced.
func (f *Files) write() (time.Duration, bool, error) {
	if err := os.MkdirAll(f.options.Directory, 0o700); err != nil {
		return 0, false, fmt.Errorf("making the directory of certificates: %w", err)
	}
	// The bundle first: who presents a new leaf should trust its signer.
	changed, err := f.writeBundle()
	if err != nil {
		return 0, changed, err
	}
	if f.leaf == nil || f.authority.RenewIn(f.leaf) == 0 {
		leaf, err := f.renew()
		if err != nil {
			return 0, changed, err
		}
		f.leaf = leaf
	}
	return f.authority.RenewIn(f.leaf), changed, nil
}

func (f *Files) writeBundle() (changed bool, err error) {
	bundle := f.authority.Certificates()
	if bundle == nil {
		return false, errors.New("writing certificates: the authority has not been read yet")
	}
	before, err := os.ReadFile(f.CAFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("reading the bundle: %w", err)
	}
	if bytes.Equal(before, bundle) {
		return false, nil
	}
	return before != nil, replaceFile(f.CAFile(), bundle)
}

func (f *Files) renew() (*Leaf, error) {
	request := f.options.Request
	var err error
	if request.Key, err = f.key(); err != nil {
		return nil, err
	}
	leaf, err := f.authority.Issue(request)
	if err != nil {
		return nil, err
	}
	return leaf, replaceFile(f.CertFile(), leaf.Certificate)
}

// key returns the key in the directory, made if there is none.
func (f *Files) key() (crypto.Signer, error) {
	content, err := os.ReadFile(f.KeyFile())
	if errors.Is(err, fs.ErrNotExist) {
		return f.makeKey()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("reading the key: no PEM in %s", f.KeyFile())
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the key in %s: %w", f.KeyFile(), err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("reading the key in %s: a %T cannot sign", f.KeyFile(), key)
	}
	return signer, nil
}

func (f *Files) makeKey() (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	encoded, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return key, replaceFile(f.KeyFile(), encoded)
}

// replaceFile writes beside the file and renames: a reader sees the old or the new content.
func replaceFile(path string, content []byte) error {
	beside := path + ".new"
	if err := os.WriteFile(beside, content, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(beside, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
