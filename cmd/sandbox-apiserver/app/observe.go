// SPDX-License-Identifier: Apache-2.0

package app

import (
	"github.com/prometheus/client_golang/prometheus"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/component-base/metrics/legacyregistry"

	// Makes the client report its requests to the cluster, and the election who leads.
	_ "k8s.io/component-base/metrics/prometheus/clientgo"

	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd"
)

// applyTracing must come before the storage is opened: spans of etcd's client go to the same provider.
func applyTracing(o *genericoptions.RecommendedOptions, generic *genericapiserver.RecommendedConfig) error {
	if err := o.Traces.ApplyTo(generic.EgressSelector, &generic.Config); err != nil {
		return err
	}
	o.Etcd.StorageConfig.Transport.TracerProvider = generic.TracerProvider
	return nil
}

// reportEtcd puts the metrics of the member among those of the server.
func reportEtcd() {
	// Another member of this process may have been before.
	_ = legacyregistry.Registerer().Register(embeddedetcd.Metrics{From: prometheus.DefaultGatherer})
}
