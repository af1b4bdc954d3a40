// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/client/v3/kubernetes"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/apiserver/pkg/storage/etcd3/testserver"
	"k8s.io/apiserver/pkg/storage/storagebackend"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/install"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/claim"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry"
	"agents.x-k8s.io/sandbox-apiserver/pkg/storage/transaction"
	"agents.x-k8s.io/sandbox-apiserver/pkg/warmindex"
)

const (
	namespace       = "team"
	maxPoolReplicas = 50
)

// served is the API surface over a real etcd of the test's own.
type served struct {
	*testing.T
	etcd    *kubernetes.Client
	storage map[string]rest.Storage
	index   *warmindex.Sandboxes
	codec   runtime.Codec // of what is in etcd
	ctx     context.Context
	// withheld says that whatever there is was made before a loss.
	withheld bool
}

// admitAll is an admission chain without plugins.
type admitAll struct{}

func (admitAll) Admit(context.Context, string, claim.Object, bool) (rest.ValidateObjectFunc, error) {
	return rest.ValidateAllObjectFunc, nil
}

func serve(t *testing.T) *served {
	t.Helper()
	scheme := runtime.NewScheme()
	install.Install(scheme)
	etcd := testserver.RunEtcd(t, nil)
	options := genericoptions.NewEtcdOptions(storagebackend.NewDefaultConfig("/registry", nil))
	options.StorageConfig.Transport.ServerList = etcd.Endpoints()
	codec, versioner, err := serverstorage.NewStorageCodec(serverstorage.StorageCodecConfig{
		StorageMediaType:  runtime.ContentTypeProtobuf,
		StorageSerializer: serializer.NewCodecFactory(scheme),
		StorageVersion:    v1beta1.SchemeGroupVersion,
		MemoryVersion:     sandbox.SchemeGroupVersion,
		Config:            options.StorageConfig,
	})
	require.NoError(t, err)
	options.StorageConfig.Codec, options.StorageConfig.EncodeVersioner = codec, versioner
	getter := options.CreateRESTOptionsGetter(&genericoptions.SimpleStorageFactory{StorageConfig: options.StorageConfig}, nil)
	cached := func(schema.GroupResource) bool { return true }
	index := warmindex.New[*v1beta1.Sandbox](warmindex.Options{})
	s := &served{T: t, etcd: etcd, index: index, codec: codec, ctx: request.WithNamespace(t.Context(), namespace)}
	storage, err := registry.NewStorage(registry.Options{
		Typer: scheme, Getter: transaction.NewBackend().WrapRESTOptions(getter, cached), MaxPoolReplicas: maxPoolReplicas,
		Claims: claim.Options{Index: index, Admission: admitAll{}, Defaulter: scheme, ClusterDomain: "cluster.local", Now: time.Now,
			Withheld: func(time.Time) bool { return s.withheld }},
	})
	require.NoError(t, err)
	s.storage = storage
	t.Cleanup(func() {
		for _, resource := range storage {
			resource.Destroy()
		}
	})
	for name, resource := range storage { // lists are refused until the watch cache is filled
		if ready, ok := resource.(rest.StorageWithReadiness); ok {
			require.Eventually(t, func() bool { return ready.ReadinessCheck() == nil }, time.Minute, 10*time.Millisecond, name)
		}
	}
	return s
}

// on is the context of a request for a resource.
func (s *served) on(resource string) context.Context {
	return request.WithRequestInfo(s.ctx, &request.RequestInfo{
		IsResourceRequest: true, APIGroup: sandbox.GroupName, APIVersion: v1beta1.SchemeGroupVersion.Version,
		Namespace: namespace, Resource: resource,
	})
}

func create[T runtime.Object](s *served, resource string, obj T) T {
	s.Helper()
	created, err := s.storage[resource].(rest.Creater).Create(s.on(resource), obj, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	require.NoError(s, err)
	return created.(T)
}

func read[T runtime.Object](s *served, resource, name string) T {
	s.Helper()
	obj, err := s.storage[resource].(rest.Getter).Get(s.on(resource), name, &metav1.GetOptions{})
	require.NoError(s, err)
	return obj.(T)
}

// update applies change to the stored object through a resource or subresource.
func update[T runtime.Object](s *served, resource, name string, change func(T)) (T, error) {
	s.Helper()
	info := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		obj := old.DeepCopyObject().(T)
		change(obj)
		return obj, nil
	})
	const allowCreate = false
	obj, _, err := s.storage[resource].(rest.Updater).Update(s.on(resource), name, info,
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, allowCreate, &metav1.UpdateOptions{})
	if err != nil {
		var none T
		return none, err
	}
	return obj.(T), nil
}

// revision is that of etcd: it moves with every write.
func (s *served) revision() int64 {
	s.Helper()
	response, err := s.etcd.KV.Get(s.ctx, "/registry/none")
	require.NoError(s, err)
	return response.Header.Revision
}

func newSandbox(name string) *sandbox.Sandbox {
	return &sandbox.Sandbox{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: sandbox.SandboxSpec{
			OperatingMode:  sandbox.SandboxRunning,
			ShutdownPolicy: sandbox.SandboxShutdownRetain,
			PodTemplate: sandbox.PodTemplate{Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "agent", Image: "agent:1"}},
			}},
			PersistentVolumeClaimRetentionPolicy: &sandbox.PersistentVolumeClaimRetentionPolicy{WhenDeleted: sandbox.PersistentVolumeClaimDelete},
		},
	}
}
