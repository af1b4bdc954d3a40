// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// answerTimeout is for one member to show that it is up to date.
const answerTimeout = 10 * time.Second

// Source is the etcd to save.
type Source struct {
	// Endpoints are tried one after the other until one has answered.
	Endpoints []string
	// TLS is nil for an etcd without.
	TLS *tls.Config
}

// Save writes a snapshot to path, which must not exist.
func Save(ctx context.Context, source Source, path string) (Status, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return Status{}, errors.Join(fmt.Errorf("saving a snapshot: %s exists", path), err)
	}
	partial, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".partial-")
	if err != nil {
		return Status{}, fmt.Errorf("saving a snapshot: %w", err)
	}
	defer func() { _ = os.Remove(partial.Name()) }()
	err = errors.Join(Stream(ctx, source, partial), partial.Sync(), partial.Close())
	if err != nil {
		return Status{}, err
	}
	status, err := Read(partial.Name())
	if err != nil {
		return Status{}, err
	}
	// A link, unlike a rename, does not replace what somebody has put there meanwhile.
	if err := os.Link(partial.Name(), path); err != nil {
		return Status{}, fmt.Errorf("saving a snapshot: %w", err)
	}
	return status, syncDir(filepath.Dir(path))
}

// Stream writes a snapshot to out. On error what has been written is worth nothing; the
// reader of a pipe finds that out with Read.
func Stream(ctx context.Context, source Source, out io.Writer) error {
	var errs []error
	for _, endpoint := range source.Endpoints {
		client, err := upToDate(ctx, source, endpoint)
		if err != nil {
			errs = append(errs, fmt.Errorf("saving a snapshot of %s: %w", endpoint, err))
			continue
		}
		defer func() { _ = client.Close() }()
		return copySnapshot(ctx, client, out)
	}
	if len(errs) == 0 {
		return errors.New("saving a snapshot: no endpoint of etcd is given")
	}
	return errors.Join(errs...)
}

// upToDate connects to one member. The read makes it catch up with everything that has
// been acknowledged: a snapshot alone is of what the member happens to have.
func upToDate(ctx context.Context, source Source, endpoint string) (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, TLS: source.TLS, Logger: zap.NewNop()})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if _, err := client.Get(ctx, "snapshot"); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

func copySnapshot(ctx context.Context, client *clientv3.Client, out io.Writer) error {
	response, err := client.SnapshotWithVersion(ctx)
	if err != nil {
		return fmt.Errorf("saving a snapshot: %w", err)
	}
	defer response.Snapshot.Close()
	sum := newChecksum()
	if _, err := io.Copy(io.MultiWriter(out, sum), response.Snapshot); err != nil {
		return fmt.Errorf("saving a snapshot: %w", err)
	}
	return sum.verify()
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("writing directory %s to disk: %w", path, err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("writing directory %s to disk: %w", path, err)
	}
	return nil
}
