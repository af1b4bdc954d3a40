// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

func TestRunningSandbox(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	created := ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), harness.WithService, func(s *v1beta1.Sandbox) {
		s.Spec.PodTemplate.Metadata.Labels = map[string]string{"app": "mine"}
		s.Spec.PodTemplate.Metadata.Annotations = map[string]string{"note": "mine"}
	}))
	sandbox := ns.WaitReady("dev")
	pod, shared, own, disk := ns.Pod("dev"), ns.Service(v1beta1.SharedServiceName), ns.Service("dev"), ns.Disk("data-dev")

	t.Run("status", func(t *testing.T) {
		want := v1beta1.SandboxStatus{
			Conditions:  sandbox.Status.Conditions,
			ServiceFQDN: "dev." + ns.Name + ".svc.cluster.local", Service: "dev",
			Selector: v1beta1.SandboxNameLabel + "=dev",
			PodName:  "dev", NodeName: pod.Spec.NodeName, PodIPs: []string{pod.Status.PodIPs[0].IP, pod.Status.PodIPs[1].IP},
		}
		assert.Equal(t, want, sandbox.Status)
		assert.NotEmpty(t, sandbox.Status.NodeName)
		assert.NoError(t, harness.HasConditions(sandbox, "PodScheduled=True/PodScheduled"))
		assert.Equal(t, created.Spec, sandbox.Spec, "the controller does not write the spec")
	})
	t.Run("pod", func(t *testing.T) {
		assert.Equal(t, "dev", pod.Spec.Hostname)
		assert.Equal(t, v1beta1.SharedServiceName, pod.Spec.Subdomain)
		assert.Equal(t, ptr.To(false), pod.Spec.AutomountServiceAccountToken)
		assert.Equal(t, ptr.To(false), pod.Spec.EnableServiceLinks)
		for _, volume := range pod.Spec.Volumes {
			assert.Nil(t, volume.Projected, "no token is mounted: %s", volume.Name)
		}
		at := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "data" })
		require.GreaterOrEqual(t, at, 0)
		assert.Equal(t, "data-dev", pod.Spec.Volumes[at].PersistentVolumeClaim.ClaimName)
		assert.Equal(t, "mine", pod.Annotations["note"])
		assert.Equal(t, map[string]string{
			"app": "mine", v1beta1.SandboxLabel: "true", v1beta1.SandboxNameLabel: "dev", v1beta1.SandboxUIDLabel: string(sandbox.UID),
		}, pod.Labels)
		assertOwners(t, pod, sandbox, shared)
	})
	t.Run("services", func(t *testing.T) {
		assert.Equal(t, corev1.ClusterIPNone, shared.Spec.ClusterIP)
		assert.Empty(t, shared.Spec.Selector, "its EndpointSlices are ours")
		assert.Empty(t, shared.OwnerReferences, "the anchor depends on nobody")
		assert.Equal(t, corev1.ClusterIPNone, own.Spec.ClusterIP)
		assert.Equal(t, map[string]string{v1beta1.SandboxNameLabel: "dev"}, own.Spec.Selector)
		assertOwners(t, own, sandbox, shared)
	})
	t.Run("disk", func(t *testing.T) {
		assert.Empty(t, disk.OwnerReferences, "the garbage collector must have no reason to delete a disk")
		assert.Equal(t, string(sandbox.UID), disk.Labels[v1beta1.SandboxUIDLabel])
		assert.Equal(t, "dev", disk.Labels[v1beta1.SandboxNameLabel])
	})
	t.Run("names", func(t *testing.T) {
		ns := ns.For(t)
		for _, ip := range sandbox.Status.PodIPs {
			ns.Eventually("DNS has "+ip, func() error { return published(ns, "dev", ip) })
		}
	})
	t.Run("events", func(t *testing.T) {
		ns := ns.For(t)
		ns.Eventually("there is an Event of the Pod's creation", func() error { return eventOf(ns, "dev", "SuccessfulCreate", `"dev"`) })
	})
}

// published says whether cluster DNS finds this address by the name of the Sandbox.
func published(ns *harness.Space, name, ip string) error {
	slices, err := ns.Kube.DiscoveryV1().EndpointSlices(ns.Name).List(ns.T.Context(), metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + v1beta1.SharedServiceName,
	})
	if err != nil {
		return err
	}
	var seen []string
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			hostname := ptr.Deref(endpoint.Hostname, "")
			if hostname == name && endpoint.Addresses[0] == ip {
				return nil
			}
			seen = append(seen, hostname+" "+endpoint.Addresses[0])
		}
	}
	return fmt.Errorf("only %q", seen)
}

// assertOwners: the Sandbox controls, and the shared Service keeps the collector off.
func assertOwners(t *testing.T, object metav1.Object, sandbox *v1beta1.Sandbox, anchor *corev1.Service) {
	t.Helper()
	assert.ElementsMatch(t, []metav1.OwnerReference{
		{
			APIVersion: "sandbox.agents.x-k8s.io/v1beta1", Kind: "Sandbox", Name: sandbox.Name, UID: sandbox.UID,
			Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true),
		},
		{APIVersion: "v1", Kind: "Service", Name: v1beta1.SharedServiceName, UID: anchor.UID},
	}, object.GetOwnerReferences())
}

// eventOf says whether there is an Event of a Sandbox with that reason and text.
func eventOf(ns *harness.Space, name, reason, text string) error {
	list, err := ns.Kube.EventsV1().Events(ns.Name).List(ns.T.Context(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	var seen []string
	for _, event := range list.Items {
		if event.Regarding.Kind != "Sandbox" || event.Regarding.Name != name {
			continue
		}
		if event.Reason == reason && strings.Contains(event.Note, text) {
			return nil
		}
		seen = append(seen, event.Reason+": "+event.Note)
	}
	return fmt.Errorf("no %s with %q, only %q", reason, text, seen)
}

func TestSharedFQDN(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	sandbox := ns.WaitReady("dev")
	assert.Equal(t, v1beta1.SharedServiceName, sandbox.Status.Service)
	assert.Equal(t, "dev.sandboxes."+ns.Name+".svc.cluster.local", sandbox.Status.ServiceFQDN)
	assert.NoError(t, harness.Gone(ns.GetService("dev")(t.Context())), "nobody asked for a Service")

	// It can be asked for later, and given up again.
	patch := func(body string) {
		_, err := ns.Sandboxes().Patch(t.Context(), "dev", types.MergePatchType, []byte(body), metav1.PatchOptions{})
		require.NoError(t, err)
	}
	patch(`{"spec":{"service":true}}`)
	assert.Equal(t, "dev."+ns.Name+".svc.cluster.local", ns.WaitReady("dev").Status.ServiceFQDN)
	assert.NotEmpty(t, ns.Service("dev").UID)
	patch(`{"spec":{"service":false}}`)
	ns.WaitGone("the Service", ns.GetService("dev"))
	ns.WaitReady("dev")
}

func TestSuspendKeepsWhatResumeNeeds(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), harness.WithService))
	ns.WaitReady("dev")
	pod, shared, own, disk := ns.Pod("dev"), ns.Service(v1beta1.SharedServiceName), ns.Service("dev"), ns.Disk("data-dev")

	_, err := ns.Sandboxes().Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	suspended := ns.WaitSuspended("dev")
	assert.NoError(t, harness.Gone(ns.GetPod("dev")(t.Context())), "Suspended is True while there is a Pod")
	assert.NoError(t, harness.HasConditions(suspended, "PodScheduled=", "Finished="))
	assert.Empty(t, suspended.Status.PodName)
	assert.Empty(t, suspended.Status.PodIPs)
	assert.Empty(t, suspended.Status.NodeName)
	assert.Equal(t, "dev."+ns.Name+".svc.cluster.local", suspended.Status.ServiceFQDN)
	assert.Equal(t, []types.UID{shared.UID, own.UID, disk.UID}, []types.UID{ns.Service(v1beta1.SharedServiceName).UID, ns.Service("dev").UID, ns.Disk("data-dev").UID})

	_, err = ns.Sandboxes().Resume(t.Context(), "dev", &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	ns.WaitReady("dev")
	assert.NotEqual(t, pod.UID, ns.Pod("dev").UID)
	assert.Equal(t, disk.UID, ns.Disk("data-dev").UID)
	for _, reason := range []string{"Suspended", "Resumed"} {
		ns.Eventually("an Event says so", func() error { return eventOf(ns, "dev", reason, "") })
	}
}

// TestSuspendingWaitsForThePod: while the Pod is going, the conditions say so.
func TestSuspendingWaitsForThePod(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	ns.WaitReady("dev")
	finalizers := func(value string) {
		_, err := ns.Pods().Patch(t.Context(), "dev", types.MergePatchType, []byte(`{"metadata":{"finalizers":`+value+`}}`), metav1.PatchOptions{})
		require.NoError(t, err)
	}
	finalizers(`["example.com/slow"]`)
	old := ns.Pod("dev").UID
	_, err := ns.Sandboxes().Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	ns.WaitConditions("dev", "Suspended=False/PodTerminating", "Ready=False/SandboxSuspended")

	// Resumed before it has gone: the new Pod waits for the old one.
	_, err = ns.Sandboxes().Resume(t.Context(), "dev", &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	ns.WaitConditions("dev", "Suspended=False/NotSuspended", "Ready=False/DependenciesNotReady")
	assert.Equal(t, old, ns.Pod("dev").UID)
	finalizers("null")
	ns.WaitReplaced("dev", old)
	ns.WaitReady("dev")
}

func TestCreatedSuspended(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.Suspended, harness.WithDisk("data")))
	ns.WaitSuspended("dev")
	assert.NoError(t, harness.Gone(ns.GetPod("dev")(t.Context())))
	_, err := ns.Sandboxes().Resume(t.Context(), "dev", &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	ns.WaitReady("dev")
}

// TestChangedTemplate takes effect with the next Pod.
func TestChangedTemplate(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	ns.WaitReady("dev")
	old := ns.Pod("dev").UID
	patch := []byte(`{"spec":{"podTemplate":{"spec":{"containers":[{"name":"main","image":"another:1"}]}}}}`)
	_, err := ns.Sandboxes().Patch(t.Context(), "dev", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
	ns.WaitReady("dev")
	assert.Equal(t, old, ns.Pod("dev").UID)
	require.NoError(t, ns.Pods().Delete(t.Context(), "dev", metav1.DeleteOptions{}))
	assert.Equal(t, "another:1", ns.WaitReplaced("dev", old).Spec.Containers[0].Image)
}

// TestUnschedulable says what kubectl describe would have to be asked for.
func TestUnschedulable(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("nowhere", func(s *v1beta1.Sandbox) {
		s.Spec.PodTemplate.Spec.NodeSelector = map[string]string{"example.com/no": "such-node"}
	}))
	none := "none"
	ns.Create(harness.Sandbox("diskless", harness.WithDisk("data"), func(s *v1beta1.Sandbox) {
		s.Spec.VolumeClaimTemplates[0].Spec.StorageClassName = &none
	}))
	for name, text := range map[string]string{"nowhere": "Unschedulable", "diskless": "data-diskless"} {
		sandbox := ns.WaitConditions(name, "Ready=False/DependenciesNotReady", "Suspended=False/NotSuspended", "PodScheduled=False/Unschedulable")
		ns.WaitFor(name, "says "+text, func(s *v1beta1.Sandbox) error { return readyMessage(s, text) })
		assert.Empty(t, sandbox.Status.PodIPs)
	}
}

func readyMessage(sandbox *v1beta1.Sandbox, text string) error {
	for _, condition := range sandbox.Status.Conditions {
		if condition.Type == v1beta1.ConditionReady {
			if strings.Contains(condition.Message, text) {
				return nil
			}
			return fmt.Errorf("the message of Ready has no %q: %s", text, condition.Message)
		}
	}
	return errors.New("there is no condition Ready")
}

// TestLabelsOfAPodAreKept: what others put on a Pod stays, what is ours comes back.
func TestLabelsOfAPodAreKept(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	ns.WaitReady("dev")
	pod := ns.Pod("dev")
	patch := fmt.Sprintf(`{"metadata":{"labels":{"theirs":"yes",%q:"another",%q:null}}}`, v1beta1.SandboxUIDLabel, v1beta1.SandboxLabel)
	_, err := ns.Pods().Patch(t.Context(), "dev", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(t, err)
	ns.Eventually("the labels are repaired", func() error {
		current, err := ns.Pods().Get(t.Context(), "dev", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if current.Labels[v1beta1.SandboxUIDLabel] != pod.Labels[v1beta1.SandboxUIDLabel] || current.Labels[v1beta1.SandboxLabel] != "true" {
			return fmt.Errorf("labels: %v", current.Labels)
		}
		return nil
	})
	repaired := ns.Pod("dev")
	assert.Equal(t, pod.UID, repaired.UID)
	assert.Equal(t, "yes", repaired.Labels["theirs"])
}

// TestQuietWhenNothingHappens: a settled Sandbox is written by nobody.
func TestQuietWhenNothingHappens(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), harness.WithService))
	sandbox := ns.WaitReady("dev")
	pod := ns.Pod("dev")
	ns.Always("a settled Sandbox and its Pod do not change", 5*time.Second, func() error {
		if version := ns.Get("dev").ResourceVersion; version != sandbox.ResourceVersion {
			return fmt.Errorf("the Sandbox went from version %s to %s", sandbox.ResourceVersion, version)
		}
		if version := ns.Pod("dev").ResourceVersion; version != pod.ResourceVersion {
			return fmt.Errorf("the Pod went from version %s to %s", pod.ResourceVersion, version)
		}
		return nil
	})
}
