// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app/options"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apiserver"
	"agents.x-k8s.io/sandbox-apiserver/pkg/servingcert"
)

// What belongs to the serving certificate in the cluster.
const (
	certificateSecret       = "sandbox-apiserver-ca"
	certificateKeyPrefix    = "sandbox.agents.x-k8s.io"
	certificateFieldManager = "sandbox-apiserver-certificate"
	apiService              = "v1beta1.sandbox.agents.x-k8s.io"
)

// manageCertificate makes the serving certificate, the only thing that is needed of the
// cluster before the server listens, and has the options use it. Nil when the
// certificate comes from files.
func manageCertificate(ctx context.Context, o options.Completed) (*servingcert.Manager, error) {
	if !o.Certificate.Manage {
		return nil, nil
	}
	config, kube, err := clusterClient(o.Recommended.CoreAPI.CoreAPIKubeconfigPath)
	if err != nil {
		return nil, err
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the client of the cluster: %w", err)
	}
	certificate, err := servingcert.New(servingcert.Options{
		Kube: kube, Objects: objects,
		Namespace: o.LeaseNamespace, Service: options.ServiceName, Secret: certificateSecret, ClusterDomain: o.ClusterDomain,
		APIService: apiService, FieldManager: certificateFieldManager, KeyPrefix: certificateKeyPrefix,
		Labels:            map[string]string{"app.kubernetes.io/name": options.ServiceName, "app.kubernetes.io/part-of": options.ServiceName},
		AuthorityLifetime: o.Certificate.AuthorityLifetime, Lifetime: o.Certificate.Lifetime, Spread: o.Certificate.Spread,
	})
	if err != nil {
		return nil, err
	}
	if err := certificate.Ensure(ctx); err != nil {
		return nil, err
	}
	o.Recommended.SecureServing.ServerCert.GeneratedCert = certificate
	return certificate, nil
}

// clusterClient is for certificates: by --kubeconfig, or by what a Pod is given where there
// is none. It has no limit of its own: it sends a few requests in a year, but connections
// that have to move cannot wait for others.
func clusterClient(kubeconfig string) (*rest.Config, kubernetes.Interface, error) {
	config, err := loadKubeconfig(kubeconfig)
	if err != nil {
		return nil, nil, fmt.Errorf("reading --kubeconfig: %w", err)
	}
	config.QPS = -1
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("making the client of the cluster: %w", err)
	}
	return config, kube, nil
}

// withCertificate runs the server while its certificate looks after itself, to the end of the shutdown.
func withCertificate(ctx context.Context, certificate *servingcert.Manager, config *apiserver.Config, run func(context.Context) error) error {
	if certificate == nil {
		return run(ctx)
	}
	config.Generic.AddReadyzChecks(certificate.SelfCheck(config.Generic.SecureServing.Listener.Addr()))
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() {
		if err := certificate.Run(background); err != nil {
			klog.FromContext(background).Error(err, "Keeping the serving certificate")
		}
	})
	return run(ctx)
}
