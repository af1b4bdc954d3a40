// SPDX-License-Identifier: Apache-2.0

package options

import (
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	cliflag "k8s.io/component-base/cli/flag"
	basecompatibility "k8s.io/component-base/compatibility"
	logsapi "k8s.io/component-base/logs/api/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apiserver"
)

const (
	etcdPrefix            = "/registry"
	compactionInterval    = time.Minute
	deleteWorkers         = 10
	authorizedTTL         = 60 * time.Second
	unauthorizedTTL       = 10 * time.Second
	defaultClusterDomain  = "cluster.local"
	defaultMaxReplicas    = 10000
	defaultLeaseNamespace = "sandbox-system"
	defaultDataDir        = "/var/lib/sandbox-apiserver"
	defaultSecurePort     = 6443
)

func init() {
	// Logging asks the gate for features that it must know first.
	utilruntime.Must(logsapi.AddFeatureGates(utilfeature.DefaultMutableFeatureGate))
}

// Options are what the command line can set. The zero value is not usable: see New.
type Options struct {
	Server      *genericoptions.ServerRunOptions
	Recommended *genericoptions.RecommendedOptions
	Globals     basecompatibility.ComponentGlobalsRegistry
	Logs        *logsapi.LoggingConfiguration

	// DataDir holds the embedded etcd, used when no --etcd-servers are given.
	DataDir string
	// EtcdManageCertificates keeps a client's certificate for the external etcd.
	EtcdManageCertificates bool
	// ClusterDomain ends the DNS names of Services.
	ClusterDomain string
	// MaxPoolReplicas bounds spec.replicas of every pool.
	MaxPoolReplicas int32
	// LeaseNamespace holds the Lease of the controllers.
	LeaseNamespace string
	// Certificate is about the serving certificate, where no files are given for it.
	Certificate CertificateOptions
	// ConfirmStorageEpoch declares that the storage of this recorded epoch is lost.
	ConfirmStorageEpoch string
	// ConfirmStorageComplete is the same epoch where nothing is lost.
	ConfirmStorageComplete string
}

// New returns the defaults.
func New() *Options {
	o := &Options{
		Server:          genericoptions.NewServerRunOptions(),
		Recommended:     genericoptions.NewRecommendedOptions(etcdPrefix, nil),
		Globals:         compatibility.DefaultComponentGlobalsRegistry,
		Logs:            logsapi.NewLoggingConfiguration(),
		DataDir:         defaultDataDir,
		ClusterDomain:   defaultClusterDomain,
		MaxPoolReplicas: defaultMaxReplicas,
		LeaseNamespace:  defaultLeaseNamespace,
		Certificate:     newCertificateOptions(),
	}
	// Not 0 would lose writes: what kube-apiserver has in flight when the GOAWAY comes it
	// cannot send again, since it does not keep bodies, and its clients get a 503.
	o.Server.GoawayChance = 0
	o.Server.ShutdownSendRetryAfter = true
	o.Server.ShutdownDelayDuration = apiserver.ShutdownDelay
	o.Server.ShutdownWatchTerminationGracePeriod = apiserver.WatchGracePeriod
	o.Recommended.SecureServing.BindPort = defaultSecurePort
	// Without a port there is nothing for kube-apiserver to reach, as for kube-apiserver itself.
	o.Recommended.SecureServing.Required = true
	o.Recommended.Authorization.AllowCacheTTL = authorizedTTL
	o.Recommended.Authorization.DenyCacheTTL = unauthorizedTTL
	etcd := o.Recommended.Etcd
	etcd.DefaultStorageMediaType = runtime.ContentTypeProtobuf
	etcd.StorageConfig.CompactionInterval = compactionInterval
	etcd.StorageConfig.Type = storagebackend.StorageTypeETCD3
	etcd.DeleteCollectionWorkers = deleteWorkers
	apiserver.UseAdmission(o.Recommended.Admission)
	return o
}

// Flags returns every flag by section, as --help prints them.
func (o *Options) Flags() cliflag.NamedFlagSets {
	var sections cliflag.NamedFlagSets
	own := sections.FlagSet("sandbox")
	own.StringVar(&o.DataDir, "data-dir", o.DataDir, "Directory of the embedded etcd, which is used when --etcd-servers is not given. "+
		"It is a single member: right for development and small clusters, not highly available.")
	own.StringVar(&o.ClusterDomain, "cluster-domain", o.ClusterDomain, "DNS domain of the cluster, with which the DNS names of Sandboxes end.")
	own.Int32Var(&o.MaxPoolReplicas, "max-pool-replicas", o.MaxPoolReplicas, "Largest spec.replicas of a SandboxWarmPool.")
	own.StringVar(&o.LeaseNamespace, "leader-elect-namespace", o.LeaseNamespace, "Namespace of the Lease that the leading replica holds.")
	own.StringVar(&o.ConfirmStorageEpoch, "confirm-storage-epoch", o.ConfirmStorageEpoch, "After etcd was lost or restored: the epoch in ConfigMap sandbox-apiserver-storage. "+
		"The server then goes on with the etcd that there is, under a new epoch. An epoch that is not the recorded one has no effect. "+
		"Unclaimed Sandboxes of pools are withheld from then on, since somebody may have claimed them after the backup.")
	own.StringVar(&o.ConfirmStorageComplete, "confirm-storage-complete", o.ConfirmStorageComplete, "With --confirm-storage-epoch, the same epoch: etcd was moved while no server ran, and nothing is lost. "+
		"Nothing is withheld then. Never after a restore from a backup: Sandboxes in use would be given away. Refused where etcd is seen to be behind. Another epoch has no effect.")

	o.Server.AddUniversalFlags(sections.FlagSet("server"))
	o.Recommended.Etcd.AddFlags(sections.FlagSet("etcd"))
	o.addEtcdCertificateFlag(sections.FlagSet("etcd"))
	o.Recommended.SecureServing.AddFlags(sections.FlagSet("secure serving"))
	o.Certificate.addFlags(sections.FlagSet("secure serving"))
	o.Recommended.Authentication.AddFlags(sections.FlagSet("authentication"))
	o.Recommended.Authorization.AddFlags(sections.FlagSet("authorization"))
	o.Recommended.Audit.AddFlags(sections.FlagSet("audit"))
	o.Recommended.Features.AddFlags(sections.FlagSet("features"))
	o.Recommended.CoreAPI.AddFlags(sections.FlagSet("cluster"))
	o.Recommended.Admission.AddFlags(sections.FlagSet("admission"))
	o.Recommended.EgressSelector.AddFlags(sections.FlagSet("egress"))
	o.Recommended.Traces.AddFlags(sections.FlagSet("traces"))
	logsapi.AddFlags(o.Logs, sections.FlagSet("logs"))
	o.Globals.AddFlags(sections.FlagSet("compatibility"))
	return sections
}
