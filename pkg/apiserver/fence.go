// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"

	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/kubernetes"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/storage/fence"
)

const (
	component = "sandbox-apiserver"
	// storageMark is the ConfigMap that the fence compares etcd with.
	storageMark = "sandbox-apiserver-storage"
	// storageKey is the fence's key below the prefix, beside the directories of resources.
	storageKey = "storage-fence"
	// compactionKey is written once a minute by the compactor of k8s.io/apiserver's etcd3.
	compactionKey = "compact_rev_key"
)

// unfenced are the paths that say how the server is; the fence is part of that.
var unfenced = []string{"/livez", "/readyz", "/healthz", "/metrics"}

// storageFence ties the fence to the life of the server.
type storageFence struct {
	*fence.Fence
	gate    *fence.Gate
	release func()
}

// newFence watches over the etcd of the sandboxes, over the connection that all
// resources share.
func (c CompletedConfig) newFence() (*storageFence, error) {
	options, err := c.generic.RESTOptionsGetter.GetRESTOptions(sandbox.Resource("sandboxes"), &sandbox.Sandbox{})
	if err != nil {
		return nil, fmt.Errorf("finding the storage to fence: %w", err)
	}
	etcd, prefix, release, err := c.backend.Client(options.StorageConfig.Config)
	if err != nil {
		return nil, fmt.Errorf("finding the storage to fence: %w", err)
	}
	client, err := kubernetes.NewForConfig(c.kube.ClientConfig)
	if err != nil {
		release()
		return nil, fmt.Errorf("making the client of the cluster: %w", err)
	}
	election := c.extra.LeaderElection
	mark := fence.ConfigMap{
		Client: client, Namespace: election.Namespace, Name: storageMark, Component: component, Identity: election.Identity,
	}
	return &storageFence{gate: c.gate, release: release, Fence: fence.New(fence.Options{
		Etcd: etcd, Key: path.Join(prefix, storageKey), Housekeeping: compactionKey,
		Marks: mark, Reporter: mark,
		Confirm: c.extra.ConfirmStorageEpoch, Complete: c.extra.ConfirmStorageComplete, Gate: c.gate, Guard: c.guard, Timing: fence.DefaultTiming(),
	})}, nil
}

// during runs serve and watches over etcd until serve has returned. It ends serve
// when another process should take over.
func (s *storageFence) during(ctx context.Context, serve func(context.Context) error) error {
	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatching()
	verdict := make(chan error, 1)
	go func() {
		verdict <- s.Run(watching)
		stopServing()
	}()
	err := serve(serving)
	stopWatching()
	err = errors.Join(err, <-verdict)
	s.release()
	return err
}

// withFence answers 503 to everything but what says how the server is, unless the
// gate is green, and cuts what is open when it closes. It stands before
// authentication: a red server has nothing to hide, and asking costs nobody.
func withFence(gate *fence.Gate, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isUnfenced(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, leave, err := gate.Enter(r.Context())
		if err != nil {
			responsewriters.RespondWithError(w, r, err, Codecs)
			return
		}
		defer leave()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func isUnfenced(path string) bool {
	for _, open := range unfenced {
		if path == open || strings.HasPrefix(path, open+"/") {
			return true
		}
	}
	return false
}

func fenceCheck(gate *fence.Gate) healthz.HealthChecker {
	return healthz.NamedCheck("storage-fence", func(*http.Request) error { return gate.Err() })
}
