// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/events"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/orphan"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// anchorOf is the owner that keeps children alive.
func anchorOf(ns *harness.Space) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: "v1", Kind: "Service", Name: v1beta1.SharedServiceName, UID: ns.Service(v1beta1.SharedServiceName).UID,
	}
}

// TestDetachedChildrenAreTakenBack: what the garbage collector does when it is told that
// there is no such Sandbox is done by hand.
func TestDetachedChildrenAreTakenBack(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	sandbox := ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), harness.WithService))
	ready := meta.FindStatusCondition(ns.WaitReady("dev").Status.Conditions, v1beta1.ConditionReady)
	ns.WaitForCollector()
	pod, service, disk := ns.Pod("dev"), ns.Service("dev"), ns.Disk("data-dev")

	strip := fmt.Appendf(nil, `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"sandboxes","uid":%q}]}}`, anchorOf(ns).UID)
	_, err := ns.Services().Patch(t.Context(), "dev", types.MergePatchType, strip, metav1.PatchOptions{})
	require.NoError(t, err)
	_, err = ns.Pods().Patch(t.Context(), "dev", types.MergePatchType, strip, metav1.PatchOptions{})
	require.NoError(t, err)

	takenBack := func() error {
		for _, child := range []metav1.Object{ns.Pod("dev"), ns.Service("dev")} {
			if owner := metav1.GetControllerOf(child); owner == nil || owner.UID != sandbox.UID || len(child.GetOwnerReferences()) != 2 {
				return fmt.Errorf("%T is owned by %v", child, child.GetOwnerReferences())
			}
		}
		return nil
	}
	ns.Eventually("Pod and Service have their controller again", takenBack)
	ns.Always("they keep it", 3*time.Second, takenBack)
	assert.Equal(t, pod.UID, ns.Pod("dev").UID)
	assert.Equal(t, service.UID, ns.Service("dev").UID)
	assert.Equal(t, disk.UID, ns.Disk("data-dev").UID)
	now := meta.FindStatusCondition(ns.WaitReady("dev").Status.Conditions, v1beta1.ConditionReady)
	assert.Equal(t, ready.LastTransitionTime, now.LastTransitionTime, "it was Ready all the while")
	ns.Eventually("an Event says so", func() error { return eventOf(ns, "dev", "TakenBack", "took back") })
	assert.Error(t, eventOf(ns, "dev", "NameConflict", ""))

	require.NoError(t, ns.Sandboxes().Delete(t.Context(), "dev", metav1.DeleteOptions{}))
	ns.WaitGone("the Pod, with its Sandbox", ns.GetPod("dev"))
	ns.WaitGone("the Service", ns.GetService("dev"))
}

// lostPod is what is left of a Sandbox that the store has lost.
func lostPod(ns *harness.Space, name string) *corev1.Pod {
	pod := theirPod(name)
	pod.Labels = map[string]string{v1beta1.SandboxNameLabel: name, v1beta1.SandboxUIDLabel: "11111111-2222-3333-4444-" + fmt.Sprintf("%012d", len(name))}
	pod.OwnerReferences = []metav1.OwnerReference{anchorOf(ns)}
	return pod
}

func createPod(ns *harness.Space, pod *corev1.Pod) *corev1.Pod {
	ns.T.Helper()
	created, err := ns.Pods().Create(ns.T.Context(), pod, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	return created
}

const shortGrace = 3 * time.Second

// sweep runs a sweep of one namespace beside the server's, which has far more patience.
func sweep(ns *harness.Space) {
	ns.T.Helper()
	own := externalversions.NewSharedInformerFactoryWithOptions(ns.Client, 0, externalversions.WithNamespace(ns.Name))
	children := informers.NewSharedInformerFactoryWithOptions(ns.Kube, 0, informers.WithNamespace(ns.Name))
	controller := orphan.New(orphan.Options{
		Sandboxes:       ns.Client.SandboxV1beta1(),
		SandboxInformer: own.Sandbox().V1beta1().Sandboxes(),
		Kube:            ns.Kube,
		Pods:            children.Core().V1().Pods(),
		Services:        children.Core().V1().Services(),
		Events:          events.NewFakeRecorder(1000),
		Grace:           shortGrace,
		Interval:        100 * time.Millisecond,
	})
	inBackground(ns.T, func(ctx context.Context) {
		own.StartWithContext(ctx)
		children.StartWithContext(ctx)
		controller.Run(ctx)
	})
}

// inBackground runs something until the test ends, and waits for it.
func inBackground(tb testing.TB, run func(context.Context)) {
	tb.Helper()
	ctx, end := context.WithCancel(context.WithoutCancel(tb.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx)
	}()
	tb.Cleanup(func() {
		end()
		<-ended
	})
}

// listed is what docs/operations/orphans.md has an administrator look at.
func listed(ns *harness.Space) string {
	ns.T.Helper()
	return ns.MustKubectl("", "get", "pods,services",
		"--selector", "sandbox.agents.x-k8s.io/sandbox-uid,sandbox.agents.x-k8s.io/sandbox-uid!=retained",
		"--output", "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name,CONTROLLER:.metadata.ownerReferences[?(@.controller==true)].name")
}

func TestOrphanSweep(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	for _, name := range []string{"one", "two"} { // four children that have a Sandbox
		ns.Create(harness.Sandbox(name, harness.WithService))
		ns.WaitReady(name)
	}
	noAnchor, kept := lostPod(ns, "no-anchor"), lostPod(ns, "kept")
	noAnchor.OwnerReferences = nil
	stay := map[string]types.UID{"one": ns.Pod("one").UID, "two": ns.Pod("two").UID}
	for _, pod := range []*corev1.Pod{theirPod("foreign"), noAnchor, kept} {
		stay[pod.Name] = createPod(ns, pod).UID
	}
	assert.Regexp(t, `(?m)^Pod +`+ns.Name+` +kept +<none>$`, listed(ns), "docs/operations/orphans.md")
	assert.Regexp(t, `(?m)^Service +`+ns.Name+` +one +one$`, listed(ns))
	ns.MustKubectl("", "label", "pod", "kept", "--overwrite", "sandbox.agents.x-k8s.io/sandbox-uid=retained")
	assert.NotContains(t, listed(ns), "kept")
	staying := func() error {
		for name, uid := range stay {
			pod, err := ns.Pods().Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if pod.UID != uid || pod.DeletionTimestamp != nil {
				return fmt.Errorf("Pod %s is %s, deleted %v", name, pod.UID, pod.DeletionTimestamp)
			}
		}
		return nil
	}

	sweep(ns)
	createPod(ns, lostPod(ns, "lost"))
	ns.Always("an orphan has its grace", shortGrace/2, func() error { return ns.GetPod("lost")(t.Context()) })
	ns.WaitGone("the orphan", ns.GetPod("lost"))

	stay["many"], stay["so-many"] = createPod(ns, lostPod(ns, "many")).UID, createPod(ns, lostPod(ns, "so-many")).UID
	ns.Always("nothing goes that is not an orphan, nor many at once", 2*shortGrace, staying)
	delete(stay, "many")
	require.NoError(t, ns.Pods().Delete(t.Context(), "many", metav1.DeleteOptions{}))
	delete(stay, "so-many")
	ns.WaitGone("one alone, after the administrator has decided", ns.GetPod("so-many"))
	require.NoError(t, staying())
}

// TestSandboxWithTheNameOfAnOrphan waits for the name, and gets it.
func TestSandboxWithTheNameOfAnOrphan(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	for _, name := range []string{"one", "two"} {
		ns.Create(harness.Sandbox(name, harness.WithService))
		ns.WaitReady(name)
	}
	lost := createPod(ns, lostPod(ns, "dev"))
	ns.Create(harness.Sandbox("dev"))
	ns.WaitConditions("dev", "Ready=False/NameConflict")
	sweep(ns)
	ns.WaitReady("dev")
	assert.NotEqual(t, lost.UID, ns.Pod("dev").UID)
}
