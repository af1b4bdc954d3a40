// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	applyv1beta1 "agents.x-k8s.io/sandbox-apiserver/pkg/generated/applyconfiguration/sandbox/v1beta1"
)

// container is what one manager wants of a suspended Sandbox.
func container(name, image string) string {
	return `{"apiVersion":"sandbox.agents.x-k8s.io/v1beta1","kind":"Sandbox","metadata":{"name":"dev"},"spec":{"operatingMode":"Suspended",` +
		`"podTemplate":{"spec":{"containers":[{"name":"` + name + `","image":"` + image + `"}]}}}}`
}

func by(manager string) metav1.ApplyOptions { return metav1.ApplyOptions{FieldManager: manager} }

func TestServerSideApply(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	apply := func(manager, body string, force ...bool) (*v1beta1.Sandbox, error) {
		options := metav1.PatchOptions{FieldManager: manager, Force: ptr.To(len(force) > 0)}
		return ns.Sandboxes().Patch(t.Context(), "dev", types.ApplyPatchType, []byte(body), options)
	}
	_, err := apply("alice", container("main", "image:1"))
	require.NoError(t, err)
	settled := ns.WaitSuspended("dev")

	unchanged, err := apply("alice", container("main", "image:1"))
	require.NoError(t, err)
	assert.Equal(t, settled.ResourceVersion, unchanged.ResourceVersion, "the same again is no write")

	_, err = apply("bob", container("main", "image:2"))
	assertRefused(t, err, conflict("alice", `.spec.podTemplate.spec.containers[name="main"].image`))

	both, err := apply("bob", container("side", "side:1"))
	require.NoError(t, err)
	assert.Len(t, both.Spec.PodTemplate.Spec.Containers, 2, "each manager has its container")

	const force = true
	forced, err := apply("carol", container("main", "image:2"), force)
	require.NoError(t, err)
	assert.Equal(t, "image:2", mainContainer(forced).Image)

	one, err := apply("bob", `{"apiVersion":"sandbox.agents.x-k8s.io/v1beta1","kind":"Sandbox","metadata":{"name":"dev"}}`)
	require.NoError(t, err)
	assert.Len(t, one.Spec.PodTemplate.Spec.Containers, 1, "what a manager no longer applies goes")
}

// TestManagedFields: spec and status have managers of their own, whatever they send.
func TestManagedFields(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	pool := applyv1beta1.SandboxWarmPool("pool", ns.Name).
		WithSpec(applyv1beta1.SandboxWarmPoolSpec().WithReplicas(0).WithSandboxTemplateRef(applyv1beta1.SandboxTemplateReference().WithName("t"))).
		WithStatus(applyv1beta1.SandboxWarmPoolStatus().WithReplicas(9))
	created, err := ns.Pools().Apply(t.Context(), pool, by("alice"))
	require.NoError(t, err)
	assert.Zero(t, created.Status.Replicas)
	assert.Contains(t, fieldsOf(created, "alice", ""), "f:sandboxTemplateRef")
	assert.NotContains(t, fieldsOf(created, "alice", ""), "f:status")

	condition := applymetav1.Condition().WithType("Note").WithStatus(metav1.ConditionTrue).WithReason("Test").WithMessage("").WithLastTransitionTime(metav1.Now())
	status := applyv1beta1.SandboxWarmPool("pool", ns.Name).
		WithSpec(applyv1beta1.SandboxWarmPoolSpec().WithReplicas(9)).
		WithStatus(applyv1beta1.SandboxWarmPoolStatus().WithConditions(condition))
	written, err := ns.Pools().ApplyStatus(t.Context(), status, by("observer"))
	require.NoError(t, err)
	assert.Zero(t, *written.Spec.Replicas)
	assert.True(t, meta.IsStatusConditionTrue(written.Status.Conditions, "Note"))
	assert.Contains(t, fieldsOf(written, "observer", "status"), `k:{\"type\":\"Note\"}`)
	assert.NotContains(t, fieldsOf(written, "observer", "status"), "f:spec")

	// A scale owns spec.replicas under its own name.
	require.NoError(t, patchScale(t.Context(), ns, 0))
	require.NoError(t, patchScale(t.Context(), ns, 1))
	scaled, err := ns.Pools().Get(t.Context(), "pool", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Contains(t, fieldsOf(scaled, "scaler", "scale"), "f:replicas")
	_, err = ns.Pools().Apply(t.Context(), pool, by("alice"))
	assertRefused(t, err, conflict("scaler", ".spec.replicas"))
}

// fieldsOf is what a manager owns, in the form it is stored in; empty if nothing.
func fieldsOf(object metav1.Object, manager, subresource string) string {
	entries := object.GetManagedFields()
	at := slices.IndexFunc(entries, func(e metav1.ManagedFieldsEntry) bool { return e.Manager == manager && e.Subresource == subresource })
	if at < 0 {
		return ""
	}
	return entries[at].FieldsV1.GetRawString()
}

func TestKubectlApply(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	assert.Contains(t, ns.MustKubectl(manifest("dev"), "apply", "--server-side", "-f", "-"), "dev serverside-applied")
	assert.Contains(t, ns.MustKubectl(manifest("dev"), "apply", "--server-side", "-f", "-"), "dev serverside-applied")
	assert.Contains(t, ns.MustKubectl(manifest("old"), "apply", "-f", "-"), "old created")
	assert.Contains(t, ns.MustKubectl(manifest("old"), "apply", "-f", "-"), "old unchanged")
	assert.Contains(t, ns.MustKubectl("", "label", "sandbox/old", "team=a"), "labeled")
}
