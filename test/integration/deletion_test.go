// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

func TestDeletionTakesEverythingAlong(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), harness.WithDisk("more"), harness.WithService))
	ns.Create(harness.Sandbox("other", harness.WithDisk("data")))
	ns.WaitReady("dev")
	other := ns.WaitReady("other")
	require.NoError(t, ns.Sandboxes().Delete(t.Context(), "dev", metav1.DeleteOptions{}))
	ns.WaitGone("the Sandbox", ns.GetSandbox("dev"))
	assert.NoError(t, harness.Gone(ns.GetPod("dev")(t.Context())), "the Sandbox went before its Pod")
	ns.WaitGone("the Service", ns.GetService("dev"))
	ns.WaitGone("the disk", ns.GetDisk("data-dev"))
	ns.WaitGone("the other disk", ns.GetDisk("more-dev"))
	assert.NotEmpty(t, ns.Service(v1beta1.SharedServiceName).UID)
	assert.Equal(t, other.Status, ns.Get("other").Status)
	assert.NotEmpty(t, ns.Disk("data-other").UID)
}

// TestDeletionWaitsForThePod: the name is free only when its Pod has gone.
func TestDeletionWaitsForThePod(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	ns.WaitReady("dev")
	finalizers := func(value string) {
		_, err := ns.Pods().Patch(t.Context(), "dev", types.MergePatchType, []byte(`{"metadata":{"finalizers":`+value+`}}`), metav1.PatchOptions{})
		require.NoError(t, err)
	}
	finalizers(`["example.com/slow"]`)
	require.NoError(t, ns.Sandboxes().Delete(t.Context(), "dev", metav1.DeleteOptions{}))
	ns.Eventually("the Pod is being deleted", func() error {
		if ns.Pod("dev").DeletionTimestamp == nil {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	ns.Always("the Sandbox waits for its Pod", time.Second, func() error { return ns.GetSandbox("dev")(t.Context()) })
	_, err := ns.Sandboxes().Create(t.Context(), harness.Sandbox("dev"), metav1.CreateOptions{})
	assert.True(t, apierrors.IsAlreadyExists(err), "%v", err)
	finalizers("null")
	ns.WaitGone("the Sandbox", ns.GetSandbox("dev"))
}

// assertKeptForTheNext: the disk of the Sandbox dev, which has gone, waits for the next one.
func assertKeptForTheNext(ns *harness.Space, disk types.UID) {
	ns.T.Helper()
	kept := ns.Disk("data-dev")
	assert.Equal(ns.T, disk, kept.UID)
	assert.Nil(ns.T, kept.DeletionTimestamp)
	assert.Equal(ns.T, v1beta1.RetainedUID, kept.Labels[v1beta1.SandboxUIDLabel])

	second := ns.Create(harness.Sandbox("dev", harness.WithDisk("data")))
	ns.WaitReady("dev")
	taken := ns.Disk("data-dev")
	assert.Equal(ns.T, disk, taken.UID)
	assert.Equal(ns.T, string(second.UID), taken.Labels[v1beta1.SandboxUIDLabel])
}

// TestRetainedDisks: the next Sandbox of the name gets them, and nobody else does.
func TestRetainedDisks(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), harness.RetainingDisks))
	ns.WaitReady("dev")
	disk := ns.Disk("data-dev")
	require.NoError(t, ns.Sandboxes().Delete(t.Context(), "dev", metav1.DeleteOptions{}))
	ns.WaitGone("the Sandbox", ns.GetSandbox("dev"))
	assertKeptForTheNext(ns, disk.UID)
	require.NoError(t, ns.Sandboxes().Delete(t.Context(), "dev", metav1.DeleteOptions{}))
	ns.WaitGone("the disk, which the second Sandbox does not retain", ns.GetDisk("data-dev"))
}

// TestOrphaning: kubectl promises that what a Sandbox made stays, and runs on.
func TestOrphaning(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), harness.WithService))
	ns.WaitReady("dev")
	ns.WaitForCollector()
	pod, disk := ns.Pod("dev"), ns.Disk("data-dev")
	ns.MustKubectl("", "delete", "sandbox/dev", "--cascade=orphan", "--wait=false")
	ns.WaitGone("the Sandbox", ns.GetSandbox("dev"))
	ns.Always("Pod and disk stay", 3*time.Second, func() error {
		if current := ns.Pod("dev"); current.UID != pod.UID || current.DeletionTimestamp != nil {
			return fmt.Errorf("the Pod is %s, deleted %v", current.UID, current.DeletionTimestamp)
		}
		if current := ns.Disk("data-dev"); current.UID != disk.UID || current.DeletionTimestamp != nil {
			return fmt.Errorf("the disk is %s, deleted %v", current.UID, current.DeletionTimestamp)
		}
		return nil
	})
	assert.Nil(t, metav1.GetControllerOf(ns.Pod("dev")))
	// So nobody takes them for what a lost Sandbox has left.
	for _, child := range []metav1.Object{ns.Pod("dev"), ns.Service("dev"), ns.Disk("data-dev")} {
		assert.Equal(t, v1beta1.RetainedUID, child.GetLabels()[v1beta1.SandboxUIDLabel], "%T", child)
	}
}

// TestOrphaningASuspendedSandbox: no Pod tells that its disk is to stay, and nobody makes the
// garbage collector wait until the controller has looked.
func TestOrphaningASuspendedSandbox(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.WithDisk("data")))
	ns.WaitReady("dev")
	disk := ns.Disk("data-dev")
	_, err := ns.Sandboxes().Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	ns.WaitSuspended("dev")

	require.NoError(t, ns.Sandboxes().Delete(t.Context(), "dev", metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationOrphan)}))
	collected := fmt.Appendf(nil, `{"metadata":{"finalizers":[%q]}}`, v1beta1.SandboxFinalizer)
	_, err = ns.Sandboxes().Patch(t.Context(), "dev", types.MergePatchType, collected, metav1.PatchOptions{})
	assert.True(t, err == nil || apierrors.IsNotFound(err) || apierrors.IsInvalid(err), "only collector and controller may have been faster: %v", err)
	ns.WaitGone("the Sandbox", ns.GetSandbox("dev"))
	assertKeptForTheNext(ns, disk.UID)
}

// TestTheMarkOfOrphaningIsTheServers: no form of write sets it or takes it off.
func TestTheMarkOfOrphaningIsTheServers(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	const hold = "example.com/hold"
	born := harness.Sandbox("dev", harness.Suspended)
	born.Finalizers = []string{hold}
	ns.Create(born)
	mark := func() string { return ns.Get("dev").Annotations[v1beta1.OrphanDependentsAnnotation] }
	write := func(value string) {
		merge := fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, v1beta1.OrphanDependentsAnnotation, value)
		ns.MustKubectl("", "patch", "sandbox/dev", "--type=merge", "--patch="+merge)
		if value != "null" {
			applied := fmt.Sprintf(`{"apiVersion":"sandbox.agents.x-k8s.io/v1beta1","kind":"Sandbox","metadata":{"name":"dev","annotations":{%q:%s}}}`,
				v1beta1.OrphanDependentsAnnotation, value)
			ns.MustKubectl(applied, "apply", "--server-side", "--force-conflicts", "--filename=-")
		}
	}
	write(`"true"`)
	assert.Empty(t, mark())
	ns.MustKubectl("", "delete", "sandbox/dev", "--cascade=orphan", "--wait=false")
	ns.Eventually("the collector has let go", func() error {
		if mark() == "" {
			return fmt.Errorf("finalizers %v", ns.Get("dev").Finalizers)
		}
		return nil
	})
	write(`"false"`)
	assert.Equal(t, "true", mark())
	write("null")
	assert.Equal(t, "true", mark())
	_, err := ns.Sandboxes().Patch(t.Context(), "dev", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	ns.WaitGone("the Sandbox", ns.GetSandbox("dev"))
}

func TestForegroundDeletion(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), harness.WithService))
	ns.WaitReady("dev")
	ns.WaitForCollector()
	ns.MustKubectl("", "delete", "sandbox/dev", "--cascade=foreground", "--wait=false")
	ns.WaitGone("the Sandbox", ns.GetSandbox("dev"))
	assert.NoError(t, harness.Gone(ns.GetPod("dev")(t.Context())))
	ns.WaitGone("the disk", ns.GetDisk("data-dev"))
	ns.WaitGone("the Service", ns.GetService("dev"))
}

// TestNamespaceDeletion completes, whatever the Sandboxes in it are doing.
func TestNamespaceDeletion(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	doomed := env.Space(t)
	doomed.Create(harness.Sandbox("running", harness.WithDisk("data"), harness.WithService))
	doomed.Create(harness.Sandbox("retaining", harness.WithDisk("data"), harness.RetainingDisks))
	doomed.Create(harness.Sandbox("suspended", harness.Suspended, harness.WithDisk("data")))
	doomed.Create(harness.Sandbox("finished", harness.RunningOnce))
	doomed.Create(harness.Sandbox("stuck", func(s *v1beta1.Sandbox) { s.Spec.PodTemplate.Spec.NodeSelector = map[string]string{"no": "node"} }))
	poolOf(doomed, "pool")
	require.NoError(t, create(doomed, harness.Claim("claim", "pool")))
	doomed.WaitReady("running")
	doomed.WaitReady("finished")
	doomed.EndPod("finished", 1)
	doomed.Create(harness.Sandbox("new"))

	namespaces := ns.Kube.CoreV1().Namespaces()
	require.NoError(t, namespaces.Delete(t.Context(), doomed.Name, metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)}))
	ns.Eventually("the namespace is gone", func() error {
		namespace, err := namespaces.Get(t.Context(), doomed.Name, metav1.GetOptions{})
		if err == nil {
			return fmt.Errorf("conditions: %+v", namespace.Status.Conditions)
		}
		return harness.Gone(err)
	})
	left, err := ns.Client.SandboxV1beta1().Sandboxes("").List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.namespace=" + doomed.Name})
	require.NoError(t, err)
	assert.Empty(t, left.Items)
}
