// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"cmp"
	"context"
	"errors"
)

// ErrInUse is returned by Run when another process holds the data directory.
var ErrInUse = errors.New("in use by another process")

// Options say where the member lives.
type Options struct {
	// DataDir is the directory the member has for itself; a relative path is
	// resolved once, in New. It is created if missing and set to mode 0700, so
	// give it a directory below a mounted volume rather than the mount point.
	DataDir string
	// QuotaBytes bounds the database; at the bound etcd raises NOSPACE and
	// refuses writes until space is freed. 0 means DefaultQuotaBytes.
	QuotaBytes int64
}

// DefaultQuotaBytes is the largest database that etcd's authors recommend.
const DefaultQuotaBytes = 8 << 30

// Server is the only member of its etcd. It runs once: after Run has returned, make a new one.
type Server struct {
	options Options
	sockets socketDir
	lifetime
}

// New resolves paths and touches nothing. It fails when no directory for the
// sockets has a path short enough for the operating system.
func New(o Options) (*Server, error) {
	dir, sockets, err := resolveDataDir(o.DataDir)
	if err != nil {
		return nil, err
	}
	o.DataDir, o.QuotaBytes = dir, cmp.Or(o.QuotaBytes, DefaultQuotaBytes)
	return &Server{options: o, sockets: sockets, lifetime: newLifetime()}, nil
}

// Endpoint is the address for clientv3 and for storagebackend's ServerList. It
// is known before Run; nobody answers there until Ready.
func (s *Server) Endpoint() string {
	return "unix://" + s.sockets.client()
}

// MetricsSocket is the path of a unix socket that speaks HTTP and serves
// etcd's own /metrics, /health and /version.
func (s *Server) MetricsSocket() string {
	return s.sockets.http()
}

// Run starts the member and blocks until ctx is done, when it stops the member
// and returns nil, or until the member fails. Cancel ctx after everything that
// talks to etcd has stopped: requests and watches still open are given a few
// seconds (etcd's request timeout, about 7 s) and are then cut.
//
// Errors of the disk while serving end the process: etcd itself decides so,
// because going on could acknowledge what was not written.
func (s *Server) Run(ctx context.Context) error {
	lock, err := claimDataDir(s.options.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := s.sockets.create(); err != nil {
		return err
	}
	defer s.sockets.remove()

	return s.serve(ctx, s.config(), nil)
}
