// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/healthz"

	"agents.x-k8s.io/sandbox-apiserver/pkg/interning"
	"agents.x-k8s.io/sandbox-apiserver/pkg/storage/fence"
	"agents.x-k8s.io/sandbox-apiserver/pkg/storage/transaction"
)

// Config is what a server is made of: the generic part, filled by the standard
// options, and ours.
type Config struct {
	Generic *genericapiserver.RecommendedConfig
	Extra   ExtraConfig
}

// ExtraConfig is our part of the configuration.
type ExtraConfig struct {
	// ClusterDomain ends the DNS names of Services, "cluster.local" as a rule.
	ClusterDomain string
	// MaxPoolReplicas bounds spec.replicas of a SandboxWarmPool.
	MaxPoolReplicas int32
	// LeaderElection names the Lease of the controllers.
	LeaderElection LeaderElection
	// Mover moves the connections of kube-apiservers to other replicas before this one ends;
	// nil where there are none, or where connections cannot be moved.
	Mover Mover
	// WatchCached says whether a resource gets a watch cache.
	WatchCached func(schema.GroupResource) bool
	// ConfirmStorageEpoch is the recorded epoch that an administrator declares replaced,
	// ConfirmStorageComplete the same where nothing is lost by that.
	ConfirmStorageEpoch, ConfirmStorageComplete string
}

type completedConfig struct {
	backend *transaction.Backend
	gate    *fence.Gate
	guard   *fence.Guard
	generic genericapiserver.CompletedConfig
	kube    *genericapiserver.RecommendedConfig
	extra   ExtraConfig
	// connections are watched by the handlers and drained by a hook.
	connections *connections
	// claims in flight go before the controllers.
	claims *precedence
	// interner is shared by the watch caches and the informers.
	interner *interning.Interner
}

// CompletedConfig can only be made by Complete.
type CompletedConfig struct {
	*completedConfig
}

// Timings of a shutdown that loses no request, see LongestStop.
const (
	// ShutdownDelay is how long requests are served while endpoints forget this replica.
	ShutdownDelay = 5 * time.Second
	// WatchGracePeriod is how long open watches are given to move on.
	WatchGracePeriod = 10 * time.Second
	// socketsClose is what the generic server gives HTTP/2 connections at the end.
	socketsClose = 2 * time.Second
	// etcdStops is how long the embedded etcd waits for its last requests.
	etcdStops = 7 * time.Second
)

// LongestStop is the most that a stop takes. The Pod's grace period must be longer, or
// the last requests are killed with the process. The generic server first waits for its
// delay, and meanwhile for connections to be moved. Then it takes no new requests, and
// waits for those in flight, one of which may have come in the last moment and take all
// the time that a request has, and at the same time for watches. Then it closes sockets,
// and then the embedded etcd ends.
func LongestStop(delay, watches, request time.Duration) time.Duration {
	return max(delay, ShutdownDelay+drainWithin) + max(watches, request) + socketsClose + etcdStops
}

// Complete takes the configuration over and fills what can be derived.
func (c *Config) Complete() CompletedConfig {
	gate := fence.NewGate()
	guard := fence.NewGuard(gate)
	interner := interning.New(interning.DefaultSize)
	backend := transaction.NewBackend(guard.DialOptions()...)
	backend.Intern = internStored(interner)
	generic := c.Generic
	generic.RESTOptionsGetter = backend.WrapRESTOptions(generic.RESTOptionsGetter, c.Extra.WatchCached)
	awaitAuthorities(&generic.Config)
	connections := &connections{mover: c.Extra.Mover}
	claims := &precedence{}
	generic.BuildHandlerChainFunc = func(api http.Handler, config *genericapiserver.Config) http.Handler {
		return connections.watched(withFence(gate, buildHandlerChain(claims.noted(api), config)))
	}
	generic.AddReadyzChecks(fenceCheck(gate), backend.AlarmCheck(), backend.SelfTestCheck())
	// An etcd that does not answer is no reason to restart the process.
	generic.LivezChecks = slices.DeleteFunc(generic.LivezChecks, func(check healthz.HealthChecker) bool { return check.Name() == "etcd" })
	return CompletedConfig{&completedConfig{
		backend: backend, gate: gate, guard: guard, connections: connections, claims: claims, interner: interner,
		generic: generic.Complete(), kube: generic, extra: c.Extra,
	}}
}
