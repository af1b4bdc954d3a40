// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/clock"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	sandboxfake "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/fake"
)

// The resources that the server of the tests has.
const (
	sandboxes = "sandboxes"
	pools     = "sandboxwarmpools"
	templates = "sandboxtemplates"
)

type object interface {
	metav1.Object
	runtime.Object
}

// change is one write, as a watch tells it.
type change struct {
	revision int
	resource string
	kind     watch.EventType
	object   object
}

// fault is what becomes of a create. The zero value is none.
type fault struct {
	// err is the answer; nil for the true one.
	err error
	// lands says that the create is done all the same, at once or when land is called.
	lands, later bool
}

// server is an API server that does what the tracker of client-go does not: it gives
// UIDs and resourceVersions, keeps preconditions and finalizers, remembers all changes
// so that a watch or a test's cache may be as late as it likes, and loses answers.
type server struct {
	clock clock.PassiveClock

	mu       sync.Mutex
	revision int
	objects  map[string]map[worker.Key]object
	log      []change
	watchers []*watcher
	late     []object
	refuse   func(*v1beta1.Sandbox) fault
	// created is called, under the lock, for each Sandbox that is made.
	created func()
}

func newServer(clock clock.PassiveClock) *server {
	return &server{clock: clock, objects: map[string]map[worker.Key]object{sandboxes: {}, pools: {}, templates: {}}}
}

// client is a clientset that talks to the server.
func (s *server) client() *sandboxfake.Clientset {
	client := sandboxfake.NewSimpleClientset()
	client.PrependReactor("*", "*", s.react)
	client.PrependWatchReactor("*", s.watch)
	return client
}

func (s *server) react(action clienttesting.Action) (bool, runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resource := action.GetResource().Resource
	switch a := action.(type) {
	case clienttesting.CreateActionImpl:
		return answer(s.create(resource, a.GetObject().DeepCopyObject().(object)))
	case clienttesting.GetActionImpl:
		return answer(s.get(resource, worker.Key{Namespace: a.Namespace, Name: a.Name}))
	case clienttesting.UpdateActionImpl:
		return answer(s.update(resource, a.GetObject().DeepCopyObject().(object)))
	case clienttesting.DeleteActionImpl:
		return true, nil, s.delete(resource, worker.Key{Namespace: a.Namespace, Name: a.Name}, a.DeleteOptions.Preconditions)
	case clienttesting.ListActionImpl:
		return true, s.list(resource, a.Namespace, a.GetListRestrictions().Labels), nil
	default:
		return true, nil, fmt.Errorf("no reaction to %T", action)
	}
}

func answer(obj object, err error) (bool, runtime.Object, error) {
	if err != nil {
		return true, nil, err
	}
	return true, obj.DeepCopyObject(), nil
}

func keyOf(obj metav1.Object) worker.Key {
	return worker.Key{Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

func (s *server) get(resource string, key worker.Key) (object, error) {
	if stored := s.objects[resource][key]; stored != nil {
		return stored, nil
	}
	return nil, apierrors.NewNotFound(v1beta1.Resource(resource), key.Name)
}

func (s *server) create(resource string, obj object) (object, error) {
	sandbox, ok := obj.(*v1beta1.Sandbox)
	if !ok || s.refuse == nil {
		return s.insert(resource, obj)
	}
	outcome := s.refuse(sandbox)
	switch {
	case outcome.err == nil:
		return s.insert(resource, obj)
	case outcome.later:
		s.late = append(s.late, obj)
	case outcome.lands:
		if _, err := s.insert(resource, obj); err != nil {
			return nil, err
		}
	}
	return nil, outcome.err
}

// land does what is late; drop does not.
func (s *server) land() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, obj := range s.late {
		_, _ = s.insert(sandboxes, obj)
	}
	s.late = nil
}

func (s *server) insert(resource string, obj object) (object, error) {
	key := keyOf(obj)
	if s.objects[resource][key] != nil {
		return nil, apierrors.NewAlreadyExists(v1beta1.Resource(resource), key.Name)
	}
	if obj.GetUID() == "" {
		obj.SetUID(types.UID(fmt.Sprintf("uid-%d", s.revision+1)))
	}
	if created := obj.GetCreationTimestamp(); created.IsZero() {
		obj.SetCreationTimestamp(metav1.NewTime(s.clock.Now()).Rfc3339Copy())
	}
	s.store(resource, watch.Added, obj)
	if resource == sandboxes && s.created != nil {
		s.created()
	}
	return obj, nil
}

func (s *server) update(resource string, obj object) (object, error) {
	stored, err := s.get(resource, keyOf(obj))
	if err != nil {
		return nil, err
	}
	if obj.GetResourceVersion() != stored.GetResourceVersion() {
		return nil, conflict(resource, obj.GetName())
	}
	s.store(resource, watch.Modified, obj)
	return obj, nil
}

func (s *server) delete(resource string, key worker.Key, preconditions *metav1.Preconditions) error {
	stored, err := s.get(resource, key)
	if err != nil {
		return err
	}
	if p := preconditions; p != nil && (p.UID != nil && *p.UID != stored.GetUID() ||
		p.ResourceVersion != nil && *p.ResourceVersion != stored.GetResourceVersion()) {
		return conflict(resource, key.Name)
	}
	gone := stored.DeepCopyObject().(object)
	if len(gone.GetFinalizers()) > 0 {
		now := metav1.NewTime(s.clock.Now())
		gone.SetDeletionTimestamp(&now)
		s.store(resource, watch.Modified, gone)
		return nil
	}
	s.store(resource, watch.Deleted, gone)
	return nil
}

func conflict(resource, name string) error {
	return apierrors.NewConflict(v1beta1.Resource(resource), name, fmt.Errorf("it has changed"))
}

// store writes one object; whoever has seen the one before keeps it.
func (s *server) store(resource string, kind watch.EventType, obj object) {
	s.revision++
	obj.SetResourceVersion(strconv.Itoa(s.revision))
	if kind == watch.Deleted {
		delete(s.objects[resource], keyOf(obj))
	} else {
		s.objects[resource][keyOf(obj)] = obj
	}
	s.log = append(s.log, change{s.revision, resource, kind, obj})
	for _, w := range s.watchers {
		w.tell(s.log[len(s.log)-1])
	}
}

func (s *server) list(resource, namespace string, selector labels.Selector) runtime.Object {
	meta := metav1.ListMeta{ResourceVersion: strconv.Itoa(s.revision)}
	var found []object
	for _, key := range slices.SortedFunc(maps.Keys(s.objects[resource]), func(a, b worker.Key) int { return slices.Compare([]string{a.Name}, []string{b.Name}) }) {
		obj := s.objects[resource][key]
		if (namespace == "" || key.Namespace == namespace) && selector.Matches(labels.Set(obj.GetLabels())) {
			found = append(found, obj)
		}
	}
	switch resource {
	case sandboxes:
		list := &v1beta1.SandboxList{ListMeta: meta}
		for _, obj := range found {
			list.Items = append(list.Items, *obj.DeepCopyObject().(*v1beta1.Sandbox))
		}
		return list
	case pools:
		list := &v1beta1.SandboxWarmPoolList{ListMeta: meta}
		for _, obj := range found {
			list.Items = append(list.Items, *obj.DeepCopyObject().(*v1beta1.SandboxWarmPool))
		}
		return list
	default:
		list := &v1beta1.SandboxTemplateList{ListMeta: meta}
		for _, obj := range found {
			list.Items = append(list.Items, *obj.DeepCopyObject().(*v1beta1.SandboxTemplate))
		}
		return list
	}
}

// watcher tells the changes of one resource.
type watcher struct {
	resource string
	events   chan watch.Event
}

func (w *watcher) ResultChan() <-chan watch.Event { return w.events }
func (w *watcher) Stop()                          {}

func (w *watcher) tell(c change) {
	if c.resource == w.resource {
		w.events <- watch.Event{Type: c.kind, Object: c.object.DeepCopyObject()}
	}
}

func (s *server) watch(action clienttesting.Action) (bool, watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &watcher{resource: action.GetResource().Resource, events: make(chan watch.Event, 10_000)}
	since, _ := strconv.Atoi(action.(clienttesting.WatchActionImpl).ListOptions.ResourceVersion)
	for _, c := range s.log {
		if c.revision > since {
			w.tell(c)
		}
	}
	s.watchers = append(s.watchers, w)
	return true, w, nil
}
