// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"k8s.io/klog/v2"
)

// beginning is what a member without data does.
type beginning int

const (
	wait beginning = iota
	found
	join
)

// answer is what another member says to one that has no data.
type answer struct {
	// peer is the name of who was asked.
	peer string
	// silent: nobody has answered, and nothing is known.
	silent bool
	// empty: it has no data either, and waits like the one who asks.
	empty bool
	// What the cluster is that it belongs to.
	clusterID types.ID
	members   []*membership.Member
}

// decide says how the member called name begins. Founding is safe only when every
// other member is known to have nothing, or to be founding this very cluster with it:
// a silent one may have all the data, and the empty ones could outvote it.
func decide(name string, clusterID types.ID, answers []answer) beginning {
	next := found
	for _, a := range answers {
		switch {
		case a.silent:
			next = wait
		case a.empty || a.foundingWith(name, clusterID):
		default:
			return join
		}
	}
	return next
}

// foundingWith says whether the cluster counts on the first start of the member
// called name. A member that was added later has no name before it has started.
func (a answer) foundingWith(name string, clusterID types.ID) bool {
	return a.clusterID == clusterID && slices.ContainsFunc(a.members, func(m *membership.Member) bool {
		return m.Name == name && len(m.ClientURLs) == 0 && !m.IsLearner
	})
}

const (
	askInterval = 500 * time.Millisecond
	// reportInterval keeps a long wait from filling the log.
	reportInterval = 15 * time.Second
)

// begin returns once it is clear how this member comes into its cluster, with etcd's
// initial cluster and its state. Until then it answers those who ask the same.
func (m *Member) begin(ctx context.Context) (initialCluster, state string, err error) {
	if err := setAside(m.options.DataDir, time.Now()); err != nil {
		return "", "", err
	}
	waiting, err := m.startWaiting(ctx)
	if err != nil {
		return "", "", err
	}
	defer waiting.stop()
	ask, err := m.newInquiry()
	if err != nil {
		return "", "", err
	}
	defer ask.close()
	var reported time.Time
	for {
		answers := ask.all(ctx)
		next := decide(m.options.Name, m.clusterID, answers)
		var refusal error
		switch next {
		case found:
			return m.options.Peers, embed.ClusterStateFlagNew, nil
		case join:
			initialCluster, refusal = m.joinCluster(ctx, ask, answers)
			if refusal == nil || errors.Is(refusal, errLives) {
				return initialCluster, embed.ClusterStateFlagExisting, refusal
			}
		case wait:
		}
		if now := time.Now(); now.Sub(reported) > reportInterval {
			reported = now
			klog.InfoS("This etcd member has no data and waits", "member", m.options.Name, "silent", silent(answers), "refusal", refusal)
		}
		select {
		case <-ctx.Done():
			return "", "", ctx.Err()
		case <-time.After(askInterval):
		}
	}
}

func silent(answers []answer) string {
	var names []string
	for _, a := range answers {
		if a.silent {
			names = append(names, a.peer)
		}
	}
	return strings.Join(names, ",")
}

// HasData says whether a member has ever started on a data directory. Its log is what counts:
// etcd writes it last when it begins and first ever after.
func HasData(dir string) bool {
	return wal.Exist(filepath.Join(dir, "member", "wal"))
}

// setAside keeps a database without its log, what a crash in the first moments or
// damage leaves, from being taken for a part of what now begins.
func setAside(dir string, now time.Time) error {
	member := filepath.Join(dir, "member")
	if _, err := os.Stat(member); os.IsNotExist(err) {
		return nil
	}
	if err := os.Rename(member, filepath.Join(dir, fmt.Sprintf("member.incomplete-%d", now.UnixNano()))); err != nil {
		return fmt.Errorf("setting incomplete data aside: %w", err)
	}
	return nil
}

// foreign is an error when another member belongs to another cluster: after a restore
// somebody has been left on old data, and the two must not both serve.
func foreign(own types.ID, answers []answer) error {
	for _, a := range answers {
		if !a.silent && !a.empty && a.clusterID != own {
			return fmt.Errorf("this member has data of the etcd cluster %s, and %s those of %s: after a restore all other members must start with empty disks",
				own, a.peer, a.clusterID)
		}
	}
	return nil
}
