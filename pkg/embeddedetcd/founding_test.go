// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
)

const ours, theirs types.ID = 7, 8

// knows is the answer of a member of a cluster that counts these as its members.
func knows(cluster types.ID, members ...*membership.Member) answer {
	return answer{clusterID: cluster, members: members}
}

func member(name string, clientURLs ...string) *membership.Member {
	return &membership.Member{Attributes: membership.Attributes{Name: name, ClientURLs: clientURLs}}
}

func learner(name string) *membership.Member {
	m := member(name)
	m.IsLearner = true
	return m
}

func TestDecide(t *testing.T) {
	empty, nobody := answer{empty: true}, answer{silent: true}
	founding := knows(ours, member("a"), member("b"), member("c"))
	for name, tc := range map[string]struct {
		answers []answer
		want    beginning
	}{
		"alone":                             {nil, found},
		"all are empty":                     {[]answer{empty, empty}, found},
		"one is silent":                     {[]answer{empty, nobody}, wait},
		"all are silent":                    {[]answer{nobody, nobody}, wait},
		"one has begun to found":            {[]answer{founding, empty}, found},
		"both others have founded":          {[]answer{knows(ours, member("a"), member("b", "url"), member("c", "url")), founding}, found},
		"one founds, one is silent":         {[]answer{founding, nobody}, wait},
		"the disk is lost":                  {[]answer{knows(ours, member("a", "url"), member("b", "url")), nobody}, join},
		"the disk is lost, silent first":    {[]answer{nobody, knows(ours, member("a", "url"))}, join},
		"two disks are lost":                {[]answer{empty, knows(ours, member("a", "url"), member("b", "url"))}, join},
		"not a member":                      {[]answer{knows(ours, member("b", "url")), empty}, join},
		"added and never started":           {[]answer{knows(ours, member("", ""), member("b", "url")), empty}, join},
		"a learner that never started":      {[]answer{knows(ours, learner("a")), empty}, join},
		"restored, and lost before a start": {[]answer{knows(theirs, member("a"), member("b")), empty}, join},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tc.want, decide("a", ours, tc.answers)) })
	}
}

func TestForeign(t *testing.T) {
	assert.NoError(t, foreign(ours, []answer{{silent: true}, {empty: true}, knows(ours)}))
	assert.ErrorContains(t, foreign(ours, []answer{{silent: true}, knows(theirs)}), "must start with empty disks")
}

func TestPlace(t *testing.T) {
	for name, want := range map[string]int{"etcd-0": 0, "etcd-1": 1, "etcd-2": 2} {
		m, err := NewMember(MemberOptions{Name: name, DataDir: "d", Peers: "etcd-1=https://h:1,etcd-2=https://h:2,etcd-0=https://h:3"})
		require.NoError(t, err)
		place, of := m.Place()
		assert.Equal(t, want, place, name)
		assert.Equal(t, 3, of)
	}
}

func TestPeersAreChecked(t *testing.T) {
	for peers, want := range map[string]string{
		"":                                "not among them",
		"b=https://h:1":                   "not among them",
		"a=http://h:1":                    "with https",
		"a=https://h:1,a=https://h:2":     "exactly one URL",
		"a=https://h":                     "reading the peers",
		"a=https://h:1,b=https://other:2": "",
	} {
		_, err := NewMember(MemberOptions{Name: "a", DataDir: "d", Peers: peers})
		if want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, want, peers)
		}
	}
}

func TestDescribeNamesEveryMember(t *testing.T) {
	m, err := NewMember(MemberOptions{Name: "a", DataDir: "d", Peers: "a=https://h:1,b=https://h:2"})
	require.NoError(t, err)
	members := []*etcdserverpb.Member{
		{ID: 1, PeerURLs: []string{"https://h:1"}}, {ID: 2, Name: "b", PeerURLs: []string{"https://h:2"}}, {ID: 0xc, PeerURLs: []string{"https://h:3"}},
	}
	assert.Equal(t, "a=https://h:1,b=https://h:2,c=https://h:3", m.describe(members, 1))
	assert.Equal(t, members[0], m.find(members))
	assert.Nil(t, m.find(members[1:]))
}

func TestIncompleteDataAreSetAside(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, setAside(dir, time.Now()), "nothing there")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "member", "snap"), 0o700))
	require.False(t, HasData(dir))
	require.NoError(t, setAside(dir, time.Now()))
	assert.NoDirExists(t, filepath.Join(dir, "member"))
	left, err := filepath.Glob(filepath.Join(dir, "member.incomplete-*", "snap"))
	require.NoError(t, err)
	assert.Len(t, left, 1, "nothing is deleted")
}
