// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"math/rand/v2"
	"time"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app/etcdcerts"
	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app/options"
)

// withEtcdCertificates keeps the certificate for the external etcd while work runs, if
// that is wanted.
func withEtcdCertificates(ctx context.Context, o options.Completed, work func(context.Context) error) error {
	if !o.EtcdManageCertificates {
		return work(ctx)
	}
	_, client, err := clusterClient(o.Recommended.CoreAPI.CoreAPIKubeconfigPath)
	if err != nil {
		return err
	}
	keeper, err := etcdcerts.New(etcdcerts.Options{
		Client: client, Namespace: o.LeaseNamespace, Directory: o.EtcdCertificateDir(),
		Request: o.EtcdCertificateRequest(), Turn: replicaTurn,
	})
	if err != nil {
		return err
	}
	return keeper.Around(ctx, work)
}

// replicaTurn spreads the replicas, which know nothing of each other, over half the time
// that there is.
func replicaTurn(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(rand.N(etcdcerts.Spread / 2)):
	}
}
