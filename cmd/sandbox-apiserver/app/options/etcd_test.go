// SPDX-License-Identifier: Apache-2.0

package options

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPeersOfAStatefulSet(t *testing.T) {
	o := NewEtcd()
	o.Name = "sandbox-etcd-1"
	peers, err := o.Peers()
	require.NoError(t, err)
	assert.Equal(t, "sandbox-etcd-0=https://sandbox-etcd-0.sandbox-etcd.sandbox-system.svc.cluster.local:2380,"+
		"sandbox-etcd-1=https://sandbox-etcd-1.sandbox-etcd.sandbox-system.svc.cluster.local:2380,"+
		"sandbox-etcd-2=https://sandbox-etcd-2.sandbox-etcd.sandbox-system.svc.cluster.local:2380", peers)
	assert.Equal(t, 1, o.Ordinal())

	for _, name := range []string{"sandbox-etcd-3", "host", "", "-1"} {
		o.Name = name
		_, err := o.Peers()
		assert.Error(t, err, name)
	}
}

func TestCertificateOfAMember(t *testing.T) {
	o := NewEtcd()
	o.Name = "sandbox-etcd-1"
	r, err := o.CertificateRequest()
	require.NoError(t, err)
	assert.Subset(t, r.DNSNames, []string{
		"sandbox-etcd-1.sandbox-etcd.sandbox-system.svc.cluster.local", "sandbox-etcd-1.sandbox-etcd.sandbox-system.svc", "localhost",
	})
	described, err := o.Complete()
	require.NoError(t, err)
	assert.Contains(t, r.DNSNames, described.Certificates.PeerName, "others take it for a member")
	assert.NotContains(t, New().EtcdCertificateRequest().DNSNames, described.Certificates.PeerName, "a server is none")

	o.InitialCluster, o.Name = "a=https://10.0.0.1:2380,b=https://b.example:2380", "a"
	r, err = o.CertificateRequest()
	require.NoError(t, err)
	assert.Equal(t, "10.0.0.1", r.IPs[len(r.IPs)-1].String())
	o.Name = "b"
	r, err = o.CertificateRequest()
	require.NoError(t, err)
	assert.Contains(t, r.DNSNames, "b.example")
}

func TestManagedCertificatesExcludeOthers(t *testing.T) {
	complete := func(change func(*Options)) Completed {
		o := New()
		o.EtcdManageCertificates = true
		o.Recommended.Etcd.StorageConfig.Transport.ServerList = []string{"https://etcd"}
		change(o)
		c := &completed{Options: o}
		require.NoError(t, c.completeEtcd())
		return Completed{c}
	}
	good := complete(func(*Options) {})
	assert.Empty(t, good.validateEtcdCertificates())
	assert.Equal(t, good.EtcdCertificateDir()+"/tls.key", good.Recommended.Etcd.StorageConfig.Transport.KeyFile)

	own := complete(func(o *Options) { o.Recommended.Etcd.StorageConfig.Transport.CertFile = "own.crt" })
	require.Len(t, own.validateEtcdCertificates(), 1)
	assert.ErrorContains(t, own.validateEtcdCertificates()[0], "--etcd-cafile")
	embedded := complete(func(o *Options) {
		o.DataDir = t.TempDir()
		o.Recommended.Etcd.StorageConfig.Transport.ServerList = nil
	})
	require.Len(t, embedded.validateEtcdCertificates(), 1)
	assert.ErrorContains(t, embedded.validateEtcdCertificates()[0], "--etcd-servers")
}

func TestTargetOfARestore(t *testing.T) {
	o := NewSnapshotRestore()
	target, err := o.Target()
	require.NoError(t, err)
	assert.Equal(t, "/var/lib/sandbox-apiserver/etcd", target.DataDir)
	assert.Empty(t, target.Name, "the embedded etcd")

	o.Name, o.DataDir = "sandbox-etcd-0", "/data"
	target, err = o.Target()
	require.NoError(t, err)
	assert.Equal(t, "/data/etcd", target.DataDir)
	assert.Equal(t, "https://sandbox-etcd-0.sandbox-etcd.sandbox-system.svc.cluster.local:2380", target.PeerURL)
	o.InitialCluster = "other=https://h:1"
	_, err = o.Target()
	assert.ErrorContains(t, err, "--initial-cluster")
}
