// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// errLost says that somebody else wrote first: look again.
var errLost = errors.New("written by somebody else meanwhile")

// replacedKept bounds how many replaced epochs an epoch remembers.
const replacedKept = 8

// record is the value of our key.
type record struct {
	Epoch    string    `json:"epoch"`
	Beat     int64     `json:"beat"`
	Created  time.Time `json:"created"`
	Replaced []string  `json:"replaced,omitempty"`
	// LossConfirmed is that of Position.
	LossConfirmed time.Time `json:"lossConfirmed,omitzero"`
	// Housekeeping is the version of the housekeeping key when this was written.
	Housekeeping int64 `json:"housekeeping,omitempty"`
}

// etcdKey is our key in etcd.
type etcdKey struct {
	kv clientv3.KV
	// key is ours, housekeeping the one whose writes do not count.
	key, housekeeping string
}

// read is linearizable: revisions of one etcd never go back between two calls.
func (e etcdKey) read(ctx context.Context) (Store, error) {
	response, err := e.kv.Txn(unguarded(ctx)).Then(clientv3.OpGet(e.key), clientv3.OpGet(e.housekeeping, clientv3.WithKeysOnly())).Commit()
	if err != nil {
		return Store{}, fmt.Errorf("reading %s from etcd: %w", e.key, err)
	}
	s := Store{Position: Position{Revision: response.Header.Revision, Cluster: response.Header.ClusterId}}
	if found := response.Responses[1].GetResponseRange().Kvs; len(found) > 0 {
		s.housekeeping = found[0].Version
	}
	found := response.Responses[0].GetResponseRange().Kvs
	if len(found) == 0 {
		return s, nil
	}
	var r record
	if err := json.Unmarshal(found[0].Value, &r); err != nil {
		return Store{}, fmt.Errorf("reading %s from etcd: it is not what this server writes there: %w", e.key, err)
	}
	if r.Epoch == "" {
		return Store{}, fmt.Errorf("reading %s from etcd: it has no epoch", e.key)
	}
	s.Epoch, s.Beat, s.Created, s.Replaced, s.LossConfirmed = r.Epoch, r.Beat, r.Created, r.Replaced, r.LossConfirmed
	s.modRevision, s.housekeepingWas = found[0].ModRevision, r.Housekeeping
	return s, nil
}

// write replaces what was read, and nothing else. It returns what is there now.
func (e etcdKey) write(ctx context.Context, was Store, r record) (Store, error) {
	r.Housekeeping = was.housekeeping
	value, err := json.Marshal(r)
	if err != nil {
		return Store{}, fmt.Errorf("encoding %s: %w", e.key, err)
	}
	response, err := e.kv.Txn(unguarded(ctx)).
		If(
			clientv3.Compare(clientv3.ModRevision(e.key), "=", was.modRevision),
			clientv3.Compare(clientv3.Version(e.housekeeping), "=", was.housekeeping),
		).
		Then(clientv3.OpPut(e.key, string(value))).
		Commit()
	if err != nil {
		return Store{}, fmt.Errorf("writing %s to etcd: %w", e.key, err)
	}
	if !response.Succeeded {
		return Store{}, fmt.Errorf("writing %s to etcd: %w", e.key, errLost)
	}
	now := was
	now.Epoch, now.Beat, now.Created, now.Replaced, now.LossConfirmed = r.Epoch, r.Beat, r.Created, r.Replaced, r.LossConfirmed
	now.Revision, now.modRevision, now.housekeepingWas = response.Header.Revision, response.Header.Revision, r.Housekeeping
	return now, nil
}

// next is the record of one more beat.
func (s Store) next() record {
	return record{Epoch: s.Epoch, Beat: s.Beat + 1, Created: s.Created, Replaced: s.Replaced, LossConfirmed: s.LossConfirmed}
}

// confirmation is what an administrator has declared, as it is carried out.
type confirmation struct {
	// epoch is the new one.
	epoch string
	at    time.Time
	// complete: nothing is lost.
	complete bool
}

// confirmed is the record of a new epoch in place of the recorded one and of
// whatever etcd holds. An earlier loss is not forgotten: what was made before it and is
// still there was never cleared up. A loss is not earlier than the last beat, which is of
// another clock: ours may be behind on a machine that was just started.
func (s Store) confirmed(mark Mark, c confirmation) record {
	replaced := []string{mark.Epoch}
	for _, other := range append([]string{s.Epoch}, s.Replaced...) {
		if other != "" && !slices.Contains(replaced, other) {
			replaced = append(replaced, other)
		}
	}
	loss := s.LossConfirmed
	for _, at := range []time.Time{c.at, mark.written} {
		if at = at.Truncate(time.Second); !c.complete && at.After(loss) {
			loss = at
		}
	}
	return record{
		Epoch: c.epoch, Beat: max(s.Beat, mark.Beat) + 1, Created: c.at,
		Replaced: replaced[:min(len(replaced), replacedKept)], LossConfirmed: loss,
	}
}
