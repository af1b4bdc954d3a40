// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
	sandboxfake "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/fake"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions"
)

var dev = worker.Key{Namespace: "team", Name: "dev"}

// harness is a controller between two fake API servers and caches that a test
// fills by hand, so that it says how stale they are.
type harness struct {
	*testing.T
	*Controller
	kube   *fake.Clientset
	own    *sandboxfake.Clientset
	events *events.FakeRecorder
	// start starts the informers, for tests that call Run.
	start func(ctx context.Context)
}

// newHarness starts with what the API servers have. The caches are empty.
func newHarness(t *testing.T, live ...runtime.Object) *harness {
	t.Helper()
	h := &harness{T: t, events: events.NewFakeRecorder(100)}
	// Not NewClientset: its tracker guesses plurals, and guesses "sandboxs".
	h.kube, h.own = fake.NewClientset(), sandboxfake.NewSimpleClientset()
	h.store(live...)
	h.kube.PrependReactor("create", "*", assignUID)
	factory := informers.NewSharedInformerFactory(h.kube, 0)
	ownFactory := externalversions.NewSharedInformerFactory(h.own, 0)
	h.start = func(ctx context.Context) {
		factory.StartWithContext(ctx)
		ownFactory.StartWithContext(ctx)
	}
	core := factory.Core().V1()
	h.Controller = New(Options{
		Sandboxes:        h.own.SandboxV1beta1(),
		SandboxInformer:  ownFactory.Sandbox().V1beta1().Sandboxes(),
		Templates:        h.own.SandboxV1beta1(),
		TemplateInformer: ownFactory.Sandbox().V1beta1().SandboxTemplates(),
		Kube:             h.kube,
		Pods:             core.Pods(),
		Services:         core.Services(),
		Disks:            core.PersistentVolumeClaims(),
		Nodes:            core.Nodes(),
		Events:           h.events,
		ClusterDomain:    "cluster.local",
		Workers:          2,
		Clock:            testingclock.NewFakePassiveClock(now),
	})
	return h
}

// store adds objects to the API servers.
func (h *harness) store(objects ...runtime.Object) {
	h.Helper()
	for _, object := range objects {
		switch object.(type) {
		case *v1beta1.Sandbox:
			require.NoError(h, h.own.Tracker().Create(v1beta1.SchemeGroupVersion.WithResource("sandboxes"), object, "team"))
		case *v1beta1.SandboxTemplate:
			require.NoError(h, h.own.Tracker().Create(v1beta1.SchemeGroupVersion.WithResource("sandboxtemplates"), object, "team"))
		default:
			require.NoError(h, h.kube.Tracker().Add(object))
		}
	}
}

// assignUID does what the tracker does not.
func assignUID(action clienttesting.Action) (bool, runtime.Object, error) {
	object := action.(clienttesting.CreateAction).GetObject().(metav1.Object)
	object.SetUID(types.UID("uid-new-" + object.GetName()))
	object.SetResourceVersion("1")
	return false, nil, nil
}

// cache adds objects to the caches.
func (h *harness) cache(objects ...runtime.Object) *harness {
	h.Helper()
	for _, object := range objects {
		var err error
		switch object.(type) {
		case *v1beta1.Sandbox:
			err = h.SandboxInformer.Informer().GetIndexer().Add(object)
		case *v1beta1.SandboxTemplate:
			err = h.TemplateInformer.Informer().GetIndexer().Add(object)
		case *corev1.Pod:
			err = h.Pods.Informer().GetIndexer().Add(object)
		case *corev1.Service:
			err = h.Services.Informer().GetIndexer().Add(object)
		case *corev1.PersistentVolumeClaim:
			err = h.Disks.Informer().GetIndexer().Add(object)
		case *corev1.Node:
			err = h.Nodes.Informer().GetIndexer().Add(object)
		default:
			err = fmt.Errorf("no cache for %T", object)
		}
		require.NoError(h, err)
	}
	return h
}

// newSyncedHarness has the same objects in the API servers and in the caches.
func newSyncedHarness(t *testing.T, objects ...runtime.Object) *harness {
	t.Helper()
	return newHarness(t, objects...).cache(objects...)
}

// mustSync syncs without error and returns the delay that was asked for.
func (h *harness) mustSync() time.Duration {
	h.Helper()
	result, err := h.sync(h.Context(), dev)
	require.NoError(h, err)
	return result.RequeueAfter
}

// refuse makes the API server of the cluster answer with an error.
func (h *harness) refuse(verb, resource string, err error) {
	h.kube.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, err })
}

// writes are the writes to both API servers, the status left out: cluster first,
// each in order. A delete is followed by its preconditions.
func (h *harness) writes() []string {
	return h.actions(func(a clienttesting.Action) bool {
		return !slices.Contains([]string{"get", "list", "watch"}, a.GetVerb())
	})
}

// reads are the live reads of both API servers.
func (h *harness) reads() []string {
	return h.actions(func(a clienttesting.Action) bool { return a.GetVerb() == "get" })
}

func (h *harness) actions(wanted func(clienttesting.Action) bool) []string {
	var texts []string
	for _, action := range slices.Concat(h.kube.Actions(), h.own.Actions()) {
		if wanted(action) && action.GetSubresource() != "status" {
			texts = append(texts, describe(action))
		}
	}
	return texts
}

func describe(action clienttesting.Action) string {
	target := action.GetVerb() + " " + action.GetResource().Resource + "/"
	switch a := action.(type) {
	case clienttesting.CreateAction:
		return target + a.GetObject().(metav1.Object).GetName()
	case clienttesting.DeleteActionImpl:
		return target + a.Name + deleteOptions(a.DeleteOptions)
	case clienttesting.PatchAction:
		return target + a.GetName() + " " + string(a.GetPatch())
	case clienttesting.GetAction:
		return target + a.GetName()
	default:
		return target
	}
}

func deleteOptions(options metav1.DeleteOptions) string {
	var text strings.Builder
	if p := options.Preconditions; p != nil && p.UID != nil {
		text.WriteString(" uid=" + string(*p.UID))
	}
	if p := options.Preconditions; p != nil && p.ResourceVersion != nil {
		text.WriteString(" rv=" + *p.ResourceVersion)
	}
	if options.GracePeriodSeconds != nil {
		fmt.Fprintf(&text, " grace=%d", *options.GracePeriodSeconds)
	}
	return text.String()
}

// stored is the Sandbox as the API server has it.
func (h *harness) stored() *v1beta1.Sandbox {
	h.Helper()
	sandbox, err := h.own.SandboxV1beta1().Sandboxes("team").Get(h.Context(), "dev", metav1.GetOptions{})
	require.NoError(h, err)
	return sandbox
}

// conditions are those of the stored Sandbox, as "Status/Reason" by type.
func (h *harness) conditions() map[string]string {
	h.Helper()
	return conditions(h.stored().Status)
}

// recorded are the Events so far, without their notes.
func (h *harness) recorded() []string {
	var texts []string
	for {
		select {
		case text := <-h.events.Events:
			words := strings.SplitN(text, " ", 3)
			texts = append(texts, words[0]+" "+words[1])
		default:
			return texts
		}
	}
}

// pod is the Pod as the API server has it, nil without.
func (h *harness) pod() *corev1.Pod {
	h.Helper()
	pod, err := h.kube.CoreV1().Pods("team").Get(h.Context(), "dev", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(h, err)
	return pod
}

// patched is the metadata of a patch made by hand, in the order that JSON has it.
func patched(metadata map[string]any) string {
	text, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		panic(err)
	}
	return string(text)
}
