// SPDX-License-Identifier: Apache-2.0

package options

import (
	"fmt"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/client/pkg/v3/types"

	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd/snapshot"
)

// SnapshotRestore says which member to restore.
type SnapshotRestore struct{ EtcdMember }

// NewSnapshotRestore returns the defaults: the embedded etcd.
func NewSnapshotRestore() *SnapshotRestore {
	member := NewEtcd().EtcdMember
	member.Name, member.DataDir = "", defaultDataDir
	return &SnapshotRestore{member}
}

// AddFlags has the flags that the member has for the same.
func (o *SnapshotRestore) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.DataDir, "data-dir", o.DataDir, "The --data-dir of the server, or of the member.")
	flags.StringVar(&o.Name, "name", o.Name, "The member, as in sandbox-apiserver etcd. It is alone at first; the others join it with empty disks. "+
		"Empty: the server's embedded etcd.")
	o.addPeerFlags(flags)
	flags.IntVar(o.peerPort, "peer-port", *o.peerPort, "Port of the other members.")
}

// Target is the data directory to make.
func (o *SnapshotRestore) Target() (snapshot.Target, error) {
	target := snapshot.Target{DataDir: EtcdDataDir(o.DataDir), Name: o.Name}
	if o.DataDir == "" || o.Name == "" {
		return target, nil
	}
	peers, err := o.Peers()
	if err != nil {
		return target, err
	}
	all, err := types.NewURLsMap(peers)
	if err != nil {
		return target, fmt.Errorf("--initial-cluster %q: %w", peers, err)
	}
	own := all[o.Name]
	if len(own) != 1 {
		return target, fmt.Errorf("--initial-cluster %q: it must have %s once", peers, o.Name)
	}
	target.PeerURL = own[0].String()
	return target, nil
}
