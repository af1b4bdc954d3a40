// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"errors"
	"fmt"
	"path"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/util/uuid"
)

// selfTestSeconds is how long the keys of a self-test outlive a crash.
const selfTestSeconds = 60

// SelfTest commits a joined write of two keys of its own on every open
// connection, reads what came of it and removes the keys. It fails where the
// server is not etcd but only speaks its protocol: such servers refuse
// transactions of more than one key.
func (b *Backend) SelfTest(ctx context.Context) error {
	connections := b.open()
	if len(connections) == 0 {
		return errNothingOpen
	}
	for _, c := range connections {
		if err := selfTest(ctx, c.client, c.client, c.prefix); err != nil {
			return fmt.Errorf("testing transactions at %q: %w", c.client.Endpoints(), err)
		}
	}
	return nil
}

// selfTest leaves resources alone: its keys are below a directory of their own
// that differs for every run, so replicas may test at the same time.
func selfTest(ctx context.Context, kv clientv3.KV, leases clientv3.Lease, prefix string) error {
	lease, err := leases.Grant(ctx, selfTestSeconds)
	if err != nil {
		return fmt.Errorf("asking for a lease: %w", err)
	}
	// The keys go with their lease, on every path.
	defer revoke(ctx, leases, lease.ID)

	directory := path.Join(prefix, "transaction-self-test", string(uuid.NewUUID()))
	first := write{key: directory + "/first", value: []byte("first"), lease: lease.ID}
	second := write{key: directory + "/second", value: []byte("second"), lease: lease.ID}
	attempt := func() (*clientv3.TxnResponse, error) {
		return kv.Txn(ctx).
			If(first.unchanged(), second.unchanged()).
			Then(first.put(), second.put()).
			Else(first.get(), second.get()).
			Commit()
	}

	done, err := attempt()
	switch {
	case err != nil && refused(err):
		return fmt.Errorf("the server refuses to write two keys in one transaction, so it is no etcd: use etcd 3.5 or newer, not a translation to another database (%w)", err)
	case err != nil:
		return fmt.Errorf("writing two keys: %w", err)
	case !done.Succeeded:
		return errors.New("writing two keys that did not exist: the server says they changed meanwhile; it is no etcd")
	}
	again, err := attempt()
	if err != nil {
		return fmt.Errorf("writing two keys that exist: %w", err)
	}
	if again.Succeeded || len(again.Responses) != 2 {
		return errors.New("writing two keys that exist: the server did not refuse; it is no etcd")
	}
	for _, r := range again.Responses {
		if got := revisionOf(read(r)); got != done.Header.Revision {
			return fmt.Errorf("reading the two keys: revision %d, written at %d; the server does not keep transactions together", got, done.Header.Revision)
		}
	}
	return nil
}

// revoke may fail: the lease ends by itself.
func revoke(ctx context.Context, leases clientv3.Lease, id clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	_, _ = leases.Revoke(ctx, id)
}
