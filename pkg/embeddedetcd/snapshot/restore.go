// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	etcdsnapshot "go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"

	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd"
)

// revisionBump is more than an etcd writes between a snapshot and its restore.
const revisionBump = 1_000_000_000

// restoringPrefix begins the names of directories in which a restore is under way.
const restoringPrefix = "restoring-"

// Target is the member to be.
type Target struct {
	// DataDir is as in embeddedetcd.Options. It must be empty, or not exist.
	DataDir string
	// Name and PeerURL are the member's; both are empty for the only member of an
	// embedded etcd.
	Name, PeerURL string
}

// Restore makes the member's data from a snapshot.
func Restore(in io.Reader, target Target) (Status, error) {
	if target.Name == "" {
		target.Name, target.PeerURL = embeddedetcd.SoleMember()
	}
	lock, err := embeddedetcd.Claim(target.DataDir)
	if err != nil {
		return Status{}, err
	}
	defer func() { _ = lock.Close() }()
	if err := makeRoom(target.DataDir); err != nil {
		return Status{}, err
	}
	dir, err := os.MkdirTemp(target.DataDir, restoringPrefix)
	if err != nil {
		return Status{}, fmt.Errorf("restoring a snapshot: %w", err)
	}
	// What is left of it is removed by the next restore.
	defer func() { _ = os.RemoveAll(dir) }()
	return restore(in, target, dir)
}

// restore does all the work in dir, which is on the disk of the data directory.
func restore(in io.Reader, target Target, dir string) (Status, error) {
	file := filepath.Join(dir, "snapshot.db")
	if err := write(in, file); err != nil {
		return Status{}, err
	}
	status, err := Read(file)
	if err != nil {
		return Status{}, err
	}
	err = etcdsnapshot.NewV3(zap.NewNop()).Restore(etcdsnapshot.RestoreConfig{
		SnapshotPath:   file,
		OutputDataDir:  filepath.Join(dir, "data"),
		Name:           target.Name,
		PeerURLs:       []string{target.PeerURL},
		InitialCluster: target.Name + "=" + target.PeerURL,
		// No two restores are the same cluster, nor is any the one before.
		InitialClusterToken: rand.Text(),
		RevisionBump:        revisionBump,
		MarkCompacted:       true,
	})
	if err != nil {
		return Status{}, fmt.Errorf("restoring a snapshot: %w", err)
	}
	if err := os.Rename(filepath.Join(dir, "data", "member"), filepath.Join(target.DataDir, "member")); err != nil {
		return Status{}, fmt.Errorf("restoring a snapshot: %w", err)
	}
	return status, syncDir(target.DataDir)
}

func write(in io.Reader, file string) error {
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("restoring a snapshot: %w", err)
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("restoring a snapshot: copying it to %s: %w", file, err)
	}
	return nil
}

// makeRoom removes what an interrupted restore has left, and refuses anything else but
// what every member makes anew.
func makeRoom(dataDir string) error {
	entries, err := os.ReadDir(dataDir)
	if err != nil {
		return fmt.Errorf("restoring a snapshot: %w", err)
	}
	for _, entry := range entries {
		switch name := entry.Name(); {
		case strings.HasPrefix(name, restoringPrefix):
			if err := os.RemoveAll(filepath.Join(dataDir, name)); err != nil {
				return fmt.Errorf("restoring a snapshot: %w", err)
			}
		case !embeddedetcd.Volatile(name):
			return fmt.Errorf("restoring a snapshot: %s is not empty, it has %q: move it away first, and keep it until the restored data have been looked at", dataDir, name)
		}
	}
	return nil
}
