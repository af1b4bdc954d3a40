// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/util/uuid"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	basecompatibility "k8s.io/component-base/compatibility"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app/options"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apiserver"
)

// NewConfig applies the options. It talks to the cluster once, to learn how to
// authenticate, and starts nothing.
func NewConfig(o options.Completed) (*apiserver.Config, error) {
	reportVersion()
	generic := genericapiserver.NewRecommendedConfig(apiserver.Codecs)
	generic.EffectiveVersion = ownVersion{o.Globals.EffectiveVersionFor(basecompatibility.DefaultKubeComponent)}
	generic.FeatureGate = o.Globals.FeatureGateFor(basecompatibility.DefaultKubeComponent)
	apiserver.UseOpenAPI(&generic.Config)
	if err := applyServing(o, generic); err != nil {
		return nil, err
	}
	if err := applyAccess(o.Recommended, generic); err != nil {
		return nil, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("naming this replica: %w", err)
	}
	return &apiserver.Config{Generic: generic, Extra: apiserver.ExtraConfig{
		ClusterDomain:   o.ClusterDomain,
		MaxPoolReplicas: o.MaxPoolReplicas,
		LeaderElection: apiserver.LeaderElection{
			Namespace: o.LeaseNamespace, Name: "sandbox-apiserver", Identity: hostname + "_" + string(uuid.NewUUID()),
		},
		ConfirmStorageEpoch:    o.ConfirmStorageEpoch,
		ConfirmStorageComplete: o.ConfirmStorageComplete,
		WatchCached:            apiserver.WatchCached(o.Recommended.Etcd),
	}}, nil
}

// applyServing sets up storage, listening and tracing.
func applyServing(o options.Completed, generic *genericapiserver.RecommendedConfig) error {
	for _, apply := range []func() error{
		func() error { return o.Server.ApplyTo(&generic.Config) },
		func() error { return applyEgress(o, generic) },
		func() error { return applyTracing(o.Recommended, generic) },
		func() error { return o.Recommended.Etcd.ApplyTo(&generic.Config) },
		func() error { return o.Recommended.SecureServing.ApplyToConfig(&generic.Config) },
		func() error { return o.Recommended.Audit.ApplyTo(&generic.Config) },
		func() error { return o.Recommended.CoreAPI.ApplyTo(generic) },
	} {
		if err := apply(); err != nil {
			return err
		}
	}
	// Writes to the cluster are bounded by its priority and fairness, not here.
	generic.ClientConfig.QPS = -1
	// Warnings about a dry-run Pod concern the user who gets the answer, not our log.
	generic.ClientConfig.WarningHandler = rest.NoWarnings{}
	return nil
}

// applyEgress must come before the storage is opened: etcd's client dials as the selection
// named etcd says. The embedded etcd is behind a socket of this host, where no proxy leads.
func applyEgress(o options.Completed, generic *genericapiserver.RecommendedConfig) error {
	if err := o.Recommended.EgressSelector.ApplyTo(&generic.Config); err != nil {
		return err
	}
	if generic.EgressSelector != nil && o.EmbeddedEtcd == nil {
		o.Recommended.Etcd.StorageConfig.Transport.EgressLookup = generic.EgressSelector.Lookup
	}
	return nil
}

// applyAccess sets up who gets in and what they may do. Unlike the stock
// options it makes the authorizer itself, see apiserver.NewAuthorizer.
func applyAccess(o *genericoptions.RecommendedOptions, generic *genericapiserver.RecommendedConfig) error {
	if err := o.Authentication.ApplyTo(&generic.Authentication, generic.SecureServing, generic.OpenAPIConfig); err != nil {
		return fmt.Errorf("setting up authentication: %w", err)
	}
	reviews := generic.ClientConfig
	if o.Authorization.RemoteKubeConfigFile != "" {
		var err error
		if reviews, err = loadKubeconfig(o.Authorization.RemoteKubeConfigFile); err != nil {
			return fmt.Errorf("reading --authorization-kubeconfig: %w", err)
		}
	}
	authorizer, err := apiserver.NewAuthorizer(o.Authorization, reviews)
	if err != nil {
		return err
	}
	generic.Authorization.Authorizer = authorizer
	return applyAdmission(o, generic)
}

func applyAdmission(o *genericoptions.RecommendedOptions, generic *genericapiserver.RecommendedConfig) error {
	kube, err := kubernetes.NewForConfig(generic.ClientConfig)
	if err != nil {
		return fmt.Errorf("making the client of the cluster: %w", err)
	}
	objects, err := dynamic.NewForConfig(generic.ClientConfig)
	if err != nil {
		return fmt.Errorf("making the client of the cluster: %w", err)
	}
	if err := o.Features.ApplyTo(&generic.Config, kube, generic.SharedInformerFactory); err != nil {
		return err
	}
	return o.Admission.ApplyTo(&generic.Config, generic.SharedInformerFactory, kube, objects, generic.FeatureGate,
		generic.EffectiveVersion, apiserver.AdmissionInitializers()...)
}

func loadKubeconfig(path string) (*rest.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: path}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
}
