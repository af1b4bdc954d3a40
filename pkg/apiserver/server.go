// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/claim"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry"
)

// Server is one replica: it serves the API, and runs the controllers while it leads.
type Server struct {
	generic *genericapiserver.GenericAPIServer
	fence   *storageFence
}

// New opens the storage and wires everything; nothing runs before Run.
func (c CompletedConfig) New() (*Server, error) {
	generic, err := c.generic.New("sandbox-apiserver", genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("building the generic server: %w", err)
	}
	embedded, err := c.newEmbedded(inProcess(c.generic.LoopbackClientConfig, generic.Handler))
	if err != nil {
		return nil, err
	}
	storage, err := registry.NewStorage(registry.Options{
		Typer: Scheme, Getter: c.generic.RESTOptionsGetter, MaxPoolReplicas: c.extra.MaxPoolReplicas,
		Claims: claim.Options{
			Index:     embedded.index,
			Admission: chainAdmission{chain: c.kube.AdmissionControl, interfaces: admission.NewObjectInterfacesFromScheme(Scheme)},
			Defaulter: Scheme, ClusterDomain: c.extra.ClusterDomain, Withheld: c.gate.BeforeLoss, Now: time.Now,
		},
	})
	if err != nil {
		return nil, err
	}
	if err := installGroup(generic, storage); err != nil {
		return nil, err
	}
	fence, err := c.newFence()
	if err != nil {
		return nil, err
	}
	if err := addHooks(generic, embedded, c.connections, fence); err != nil {
		return nil, err
	}
	return &Server{generic: generic, fence: fence}, nil
}

// installGroup serves the storages under our group and names a readiness check for
// each watch cache.
func installGroup(generic *genericapiserver.GenericAPIServer, storage map[string]rest.Storage) error {
	group := genericapiserver.NewDefaultAPIGroupInfo(sandbox.GroupName, Scheme, metav1.ParameterCodec, Codecs)
	group.VersionedResourcesStorageMap[v1beta1.SchemeGroupVersion.Version] = storage
	if err := generic.InstallAPIGroup(&group); err != nil {
		return fmt.Errorf("installing the API group %s: %w", sandbox.GroupName, err)
	}
	return generic.AddReadyzChecks(watchCacheChecks(storage)...)
}

// Run serves until ctx ends and the shutdown is complete, or until the fence says
// that another process should.
func (s *Server) Run(ctx context.Context) error {
	return s.fence.during(ctx, s.generic.PrepareRun().RunWithContext)
}
