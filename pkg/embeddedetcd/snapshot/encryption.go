// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bytes"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"google.golang.org/protobuf/proto"
)

// Plain is how a value is stored that is not encrypted.
const Plain = "plain"

// encryptedPrefix begins every value that Kubernetes has encrypted: k8s:enc:PROVIDER:VERSION:KEY:
const (
	encryptedPrefix = "k8s:enc:"
	encryptedParts  = 5
)

// StoredAs counts the values of the keys with a prefix by how they are stored: Plain, or
// provider and key of their encryption. Values of the past do not count.
func StoredAs(path, prefix string) (map[string]int, error) {
	db, err := bolt.Open(path, 0o400, &bolt.Options{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("reading the snapshot %s: %w", path, err)
	}
	defer func() { _ = db.Close() }()
	latest := map[string]string{}
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(schema.Key.Name()).ForEach(func(revision, raw []byte) error {
			var kv mvccpb.KeyValue
			if err := proto.Unmarshal(raw, &kv); err != nil {
				return err
			}
			switch key := string(kv.Key); {
			case !strings.HasPrefix(key, prefix):
			case mvcc.IsTombstone(revision):
				delete(latest, key)
			default:
				latest[key] = storedAs(kv.Value)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading the snapshot %s: %w", path, err)
	}
	counts := map[string]int{}
	for _, as := range latest {
		counts[as]++
	}
	return counts, nil
}

func storedAs(value []byte) string {
	if !bytes.HasPrefix(value, []byte(encryptedPrefix)) {
		return Plain
	}
	parts := bytes.SplitN(value, []byte(":"), encryptedParts+1)
	if len(parts) <= encryptedParts {
		return Plain
	}
	return string(bytes.Join(parts[:encryptedParts], []byte(":")))
}
