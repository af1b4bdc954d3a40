// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	etcdsnapshot "go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// Status is what a snapshot holds.
type Status = etcdsnapshot.Status

// Read checks a snapshot, its checksum and its structure, and says what it holds.
func Read(path string) (Status, error) {
	file, err := os.Open(path)
	if err != nil {
		return Status{}, fmt.Errorf("reading a snapshot: %w", err)
	}
	defer file.Close()
	sum := newChecksum()
	if _, err := io.Copy(sum, file); err != nil {
		return Status{}, fmt.Errorf("reading a snapshot: %w", err)
	}
	if err := sum.verify(); err != nil {
		return Status{}, fmt.Errorf("%s: %w", path, err)
	}
	status, err := etcdsnapshot.NewV3(zap.NewNop()).Status(path)
	if err != nil {
		return Status{}, fmt.Errorf("reading the snapshot %s: %w", path, err)
	}
	return status, nil
}

// page is what the length of a database is a multiple of, at least.
const page = 512

// checksum reads a snapshot that passes by: a database, and its SHA-256 at the end.
type checksum struct {
	hash hash.Hash
	// tail is what may be the end already, and does not count as database yet.
	tail []byte
	size int64
}

func newChecksum() *checksum { return &checksum{hash: sha256.New()} }

func (c *checksum) Write(p []byte) (int, error) {
	c.tail = append(c.tail, p...)
	if over := len(c.tail) - sha256.Size; over > 0 {
		c.hash.Write(c.tail[:over])
		c.size += int64(over)
		c.tail = append(c.tail[:0], c.tail[over:]...)
	}
	return len(p), nil
}

func (c *checksum) verify() error {
	if len(c.tail) < sha256.Size || c.size == 0 || c.size%page != 0 {
		return errors.New("this is no complete snapshot of etcd: it does not end with a checksum")
	}
	if !bytes.Equal(c.hash.Sum(nil), c.tail) {
		return errors.New("this snapshot of etcd is damaged: its checksum is wrong")
	}
	return nil
}
