// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"crypto/aes"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/api/apitesting"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/apis/example/install"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/cacher/consistency"
	"k8s.io/apiserver/pkg/storage/etcd3/testserver"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"
)

// patience is for what takes well under a second on an idle machine.
const patience = 30 * time.Second

const (
	namespace = "default"
	boundTo   = "bound-to"
)

// The outer resource of the tests is claims, the inner one boxes. Both are of
// the same Go type, which says nothing about them.
var (
	claims = schema.GroupResource{Group: "test", Resource: "claims"}
	boxes  = schema.GroupResource{Group: "test", Resource: "boxes"}

	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
)

func TestMain(m *testing.M) {
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	install.Install(scheme)
	// What KUBE_WATCHCACHE_CONSISTENCY_CHECKER=true sets when the package is loaded.
	consistency.PanicOnCacheInconsistency = true
	// Five minutes upstream, so that no test would see a check.
	consistency.CheckPeriod = 500 * time.Millisecond
	os.Exit(m.Run())
}

// newEtcd runs a member until the test ends and returns its address.
func newEtcd(t *testing.T) []string {
	t.Helper()
	return testserver.RunEtcd(t, nil).Endpoints()
}

// replica is one server's view of the two resources.
type replica struct {
	*testing.T
	backend       *Backend
	claims, boxes *genericregistry.Store
}

func newReplica(t *testing.T, servers []string, cached bool) *replica {
	t.Helper()
	r := &replica{T: t, backend: NewBackend()}
	r.claims = r.store(servers, claims, cached)
	r.boxes = r.store(servers, boxes, cached)
	return r
}

// store opens a registry the way an API server does.
func (r *replica) store(servers []string, resource schema.GroupResource, cached bool) *genericregistry.Store {
	r.Helper()
	plain := generic.RESTOptions{
		StorageConfig:           storageConfig(r.T, servers).ForResource(resource),
		ResourcePrefix:          "/" + resource.Resource,
		DeleteCollectionWorkers: 1,
	}
	s := strategy{ObjectTyper: scheme, NameGenerator: names.SimpleNameGenerator}
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return &example.Pod{} },
		NewListFunc:               func() runtime.Object { return &example.PodList{} },
		DefaultQualifiedResource:  resource,
		SingularQualifiedResource: resource,
		CreateStrategy:            s,
		UpdateStrategy:            s,
		DeleteStrategy:            s,
		TableConvertor:            rest.NewDefaultTableConvertor(resource),
	}
	options := r.backend.WrapRESTOptions(plain, func(schema.GroupResource) bool { return cached })
	require.NoError(r, store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: options, AttrFunc: attributes}))
	r.Cleanup(store.DestroyFunc)
	require.Eventually(r, func() bool { return store.ReadinessCheck() == nil }, patience, time.Millisecond)
	return store
}

func storageConfig(t *testing.T, servers []string) *storagebackend.Config {
	t.Helper()
	block, err := aes.NewCipher([]byte("a key of exactly thirty-two byte"))
	require.NoError(t, err)
	gcm, err := aestransformer.NewGCMTransformer(block)
	require.NoError(t, err)
	c := storagebackend.NewDefaultConfig("/registry/test", apitesting.TestStorageCodec(codecs, examplev1.SchemeGroupVersion))
	c.Transport.ServerList = servers
	c.Transformer = value.NewPrefixTransformers(nil, value.PrefixTransformer{Prefix: []byte("k8s:enc:aesgcm:v1:k:"), Transformer: gcm})
	return c
}

func attributes(o runtime.Object) (labels.Set, fields.Set, error) {
	pod := o.(*example.Pod)
	return pod.Labels, generic.ObjectMetaFieldsSet(&pod.ObjectMeta, true), nil
}

// strategy accepts everything.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
}

func (strategy) NamespaceScoped() bool                                                 { return true }
func (strategy) AllowCreateOnUpdate(context.Context) bool                              { return false }
func (strategy) AllowUnconditionalUpdate(context.Context) bool                         { return true }
func (strategy) PrepareForCreate(context.Context, runtime.Object)                      {}
func (strategy) PrepareForUpdate(_ context.Context, _, _ runtime.Object)               {}
func (strategy) Validate(context.Context, runtime.Object) field.ErrorList              { return nil }
func (strategy) ValidateUpdate(_ context.Context, _, _ runtime.Object) field.ErrorList { return nil }
func (strategy) WarningsOnCreate(context.Context, runtime.Object) []string             { return nil }
func (strategy) WarningsOnUpdate(_ context.Context, _, _ runtime.Object) []string      { return nil }
func (strategy) Canonicalize(runtime.Object)                                           {}

var _ rest.RESTCreateUpdateStrategy = strategy{}

func info(r schema.GroupResource) *request.RequestInfo {
	return &request.RequestInfo{IsResourceRequest: true, APIGroup: r.Group, APIVersion: "v1", Resource: r.Resource, Namespace: namespace}
}

// serving is the context of a request for claims.
func serving(ctx context.Context) context.Context {
	return request.WithRequestInfo(request.WithNamespace(ctx, namespace), info(claims))
}

func named(name string) *example.Pod {
	return &example.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
}

func (r *replica) create(s *genericregistry.Store, pod *example.Pod) *example.Pod {
	r.Helper()
	created, err := s.Create(serving(r.Context()), pod, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	require.NoError(r, err)
	return created.(*example.Pod)
}

// get reads from etcd, not from the cache; nil if it is not there.
func (r *replica) get(s *genericregistry.Store, name string) *example.Pod {
	r.Helper()
	found, err := s.Get(serving(r.Context()), name, &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(r, err)
	return found.(*example.Pod)
}

// changing gives f a copy of the stored object.
func changing(f rest.TransformFunc) rest.UpdatedObjectInfo {
	return rest.DefaultUpdatedObjectInfo(nil, func(ctx context.Context, _, old runtime.Object) (runtime.Object, error) {
		return f(ctx, old.DeepCopyObject(), old)
	})
}

// update changes a box, as the inner call if ctx belongs to a joined write.
func (r *replica) update(ctx context.Context, name string, change rest.TransformFunc) (*example.Pod, error) {
	updated, _, err := r.boxes.Update(ctx, name, changing(change),
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
	if err != nil {
		return nil, err
	}
	return updated.(*example.Pod), nil
}

// bind writes the claim's name into a box unless it has one.
func bind(claim string) rest.TransformFunc {
	return func(_ context.Context, o, _ runtime.Object) (runtime.Object, error) {
		box := o.(*example.Pod)
		if holder := box.Annotations[boundTo]; holder != "" {
			return nil, apierrors.NewConflict(boxes, box.Name, errTaken)
		}
		metav1.SetMetaDataAnnotation(&box.ObjectMeta, boundTo, claim)
		return box, nil
	}
}

var errTaken = apierrors.NewBadRequest("taken")

// claiming creates a claim and binds a box to it. The objects are set as far as
// the calls came.
func (r *replica) claiming(ctx context.Context, claim *example.Pod, box string, change rest.TransformFunc) (o Outcome, gotClaim, gotBox *example.Pod, err error) {
	inner := Inner{RequestInfo: info(boxes), Call: func(ctx context.Context) (err error) {
		gotBox, err = r.update(ctx, box, change)
		return err
	}}
	o, err = Join(ctx, inner, func(ctx context.Context) error {
		created, err := r.claims.Create(ctx, claim, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
		if err == nil {
			gotClaim = created.(*example.Pod)
		}
		return err
	})
	return o, gotClaim, gotBox, err
}

// revision is etcd's, so that a test can tell that nothing was written at all.
func (r *replica) revision(ctx context.Context) int64 {
	r.Helper()
	response, err := r.etcd().Get(ctx, "/any")
	require.NoError(r, err)
	return response.Header.Revision
}

func (r *replica) etcd() *clientv3.Client {
	r.Helper()
	connections := r.backend.open()
	require.Len(r, connections, 1)
	return connections[0].client
}

func probe(t *testing.T) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil)
	require.NoError(t, err)
	return request
}
