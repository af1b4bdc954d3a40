// SPDX-License-Identifier: Apache-2.0

package space

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// answerTimeout is for what a member that lives does at once.
const answerTimeout = 10 * time.Second

// room is the share of its quota, 1/50, that a member must have left: with less the next
// writes would raise the alarm again.
const room = 50

// Member is what was done for one member.
type Member struct {
	Endpoint string
	// Before and After are sizes of its database, Quota the largest; 0 for one that an
	// etcd before 3.6 does not tell.
	Before, After, Quota int64
}

// Free compacts, defragments every member that the client has as an endpoint, and then
// disarms NOSPACE. done is called after each member. It may be repeated.
func Free(ctx context.Context, client *clientv3.Client, done func(Member)) (disarmed int, err error) {
	alarms, err := list(ctx, client)
	if err != nil {
		return 0, err
	}
	members, err := statuses(ctx, client)
	if err != nil {
		return 0, err
	}
	if err := compact(ctx, client); err != nil {
		return 0, err
	}
	var full []error
	for _, m := range members {
		if _, err := client.Defragment(ctx, m.Endpoint); err != nil {
			return 0, fmt.Errorf("defragmenting etcd at %s: %w", m.Endpoint, err)
		}
		after, err := status(ctx, client, m.Endpoint)
		if err != nil {
			return 0, err
		}
		m.After = after.DbSize
		done(m)
		full = append(full, m.full())
	}
	if err := errors.Join(full...); err != nil {
		return 0, err
	}
	for _, alarm := range alarms {
		if _, err := client.AlarmDisarm(ctx, alarm); err != nil {
			return disarmed, fmt.Errorf("disarming %s of the etcd member %x: %w", alarm.Alarm, alarm.MemberID, err)
		}
		disarmed++
	}
	return disarmed, nil
}

// list returns the alarms that are about space. Any other wants something else done first.
func list(ctx context.Context, client *clientv3.Client) ([]*clientv3.AlarmMember, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := client.AlarmList(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing alarms of etcd: %w", err)
	}
	var about []*clientv3.AlarmMember
	for _, alarm := range response.Alarms {
		if alarm.Alarm != pb.AlarmType_NOSPACE {
			return nil, fmt.Errorf("freeing space of etcd: the member %x has the alarm %s, which is not about space: restore a backup", alarm.MemberID, alarm.Alarm)
		}
		about = append(about, (*clientv3.AlarmMember)(alarm))
	}
	return about, nil
}

// statuses asks every member before anything is done to one.
func statuses(ctx context.Context, client *clientv3.Client) ([]Member, error) {
	var members []Member
	for _, endpoint := range client.Endpoints() {
		s, err := status(ctx, client, endpoint)
		if err != nil {
			return nil, err
		}
		members = append(members, Member{Endpoint: endpoint, Before: s.DbSize, Quota: s.DbSizeQuota})
	}
	return members, nil
}

func status(ctx context.Context, client *clientv3.Client, endpoint string) (*clientv3.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	s, err := client.Status(ctx, endpoint)
	if err != nil {
		return nil, fmt.Errorf("asking etcd at %s: %w", endpoint, err)
	}
	return s, nil
}

// compact forgets all but the present, and waits until that is done: what is only marked
// is not given back.
func compact(ctx context.Context, client *clientv3.Client) error {
	asked, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	now, err := client.Get(asked, "space", clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("asking etcd for its revision: %w", err)
	}
	_, err = client.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical())
	// Somebody else was faster, or nothing was written since the last time.
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("compacting etcd: %w", err)
	}
	return nil
}

func (m Member) full() error {
	if m.Quota == 0 || m.Quota-m.After >= m.Quota/room {
		return nil
	}
	return fmt.Errorf("freeing space of etcd: the member at %s still has %d of %d bytes in use, which are objects: it needs a larger quota", m.Endpoint, m.After, m.Quota)
}
