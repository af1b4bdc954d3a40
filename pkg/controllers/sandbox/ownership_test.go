// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

func TestPodDrift(t *testing.T) {
	sandboxRef := render.Owners(newSandbox(), anchorUID)[0]
	theirs := metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "x", UID: "uid-x"}
	alike := metav1.OwnerReference{APIVersion: "serving.knative.dev/v1", Kind: "Service", Name: "sandboxes", UID: "uid-y"}
	tests := map[string]struct {
		pod     *corev1.Pod
		sandbox *v1beta1.Sandbox
		anchor  *corev1.Service
		want    map[string]any
	}{
		"none": {newPod(), newSandbox(), sharedService(), map[string]any{}},
		"labels of others": {
			newPod(func(p *corev1.Pod) { p.Labels["app"] = "mine" }), newSandbox(), sharedService(), map[string]any{},
		},
		"a reserved label is gone": {
			newPod(func(p *corev1.Pod) { delete(p.Labels, v1beta1.SandboxLabel) }), newSandbox(), sharedService(),
			map[string]any{"labels": map[string]any{v1beta1.SandboxLabel: "true"}},
		},
		"a reserved label says something else": {
			newPod(func(p *corev1.Pod) { p.Labels[v1beta1.SandboxNameLabel] = "victim" }), newSandbox(), sharedService(),
			map[string]any{"labels": map[string]any{v1beta1.SandboxNameLabel: "dev"}},
		},
		"claimed: one patch for pool and claim": {
			newPod(func(p *corev1.Pod) { p.Labels[v1beta1.WarmPoolLabel] = "pool" }),
			newSandbox(func(s *v1beta1.Sandbox) { s.Labels = map[string]string{v1beta1.ClaimLabel: "mine"} }), sharedService(),
			map[string]any{"labels": map[string]any{v1beta1.ClaimLabel: "mine", v1beta1.WarmPoolLabel: nil}},
		},
		"claimed by another one than the Pod says": {
			newPod(func(p *corev1.Pod) { p.Labels[v1beta1.ClaimLabel] = "earlier" }),
			newSandbox(func(s *v1beta1.Sandbox) {
				s.Spec.ClaimRef = &v1beta1.SandboxClaimReference{Name: "mine", UID: "uid-mine"}
				s.Labels = map[string]string{v1beta1.ClaimLabel: "mine"}
			}), sharedService(),
			map[string]any{"labels": map[string]any{v1beta1.ClaimLabel: "mine"}},
		},
		"a claim that the store has lost: its name stays, other reserved labels are repaired": {
			newPod(func(p *corev1.Pod) {
				p.Labels[v1beta1.ClaimLabel], p.Labels["user"], p.Labels[v1beta1.KeyPrefix+"x"] = "mine", "ada", "y"
				p.Annotations = map[string]string{"note": "x"}
				delete(p.Labels, v1beta1.SandboxLabel)
			}),
			newSandbox(func(s *v1beta1.Sandbox) { s.Labels = map[string]string{v1beta1.WarmPoolLabel: "pool"} }), sharedService(),
			map[string]any{"labels": map[string]any{v1beta1.SandboxLabel: "true", v1beta1.WarmPoolLabel: "pool", v1beta1.KeyPrefix + "x": nil}},
		},
		"a claim that the store has lost, and nothing else": {
			newPod(func(p *corev1.Pod) { p.Labels[v1beta1.ClaimLabel] = "mine" }), newSandbox(), sharedService(), map[string]any{},
		},
		"a claim added to the podTemplate": {
			newPod(func(p *corev1.Pod) { p.Annotations = map[string]string{"theirs": "x"} }),
			newSandbox(func(s *v1beta1.Sandbox) {
				s.Spec.PodTemplate.Metadata = v1beta1.PodMetadata{
					Labels: map[string]string{"user": "ada"}, Annotations: map[string]string{"note": "x"},
				}
			}), sharedService(),
			map[string]any{"labels": map[string]any{"user": "ada"}, "annotations": map[string]any{"note": "x"}},
		},
		"a label of the podTemplate changed, an annotation too": {
			newPod(func(p *corev1.Pod) { p.Labels["tier"], p.Annotations = "low", map[string]string{"port": "rewritten"} }),
			newSandbox(func(s *v1beta1.Sandbox) {
				s.Spec.PodTemplate.Metadata = v1beta1.PodMetadata{
					Labels: map[string]string{"tier": "high"}, Annotations: map[string]string{"port": "80"},
				}
			}), sharedService(),
			map[string]any{"labels": map[string]any{"tier": "high"}},
		},
		"reserved keys of the podTemplate go nowhere": {
			newPod(), newSandbox(func(s *v1beta1.Sandbox) {
				stolen := map[string]string{v1beta1.SandboxNameLabel: "victim", v1beta1.KeyPrefix + "x": "y"}
				s.Spec.PodTemplate.Metadata = v1beta1.PodMetadata{Labels: stolen, Annotations: stolen}
			}), sharedService(), map[string]any{},
		},
		"another anchor; owners of others stay": {
			newPod(func(p *corev1.Pod) { p.OwnerReferences = append(p.OwnerReferences, theirs, alike) }), newSandbox(),
			sharedService(func(s *corev1.Service) { s.UID = "uid-new" }),
			map[string]any{"ownerReferences": []metav1.OwnerReference{
				sandboxRef, theirs, alike, {APIVersion: "v1", Kind: "Service", Name: "sandboxes", UID: "uid-new"},
			}},
		},
		"no anchor to be had":            {newPod(), newSandbox(), nil, map[string]any{}},
		"the anchor is going":            {newPod(), newSandbox(), sharedService(terminatingService, func(s *corev1.Service) { s.UID = "uid-new" }), map[string]any{}},
		"a foreign Service is no anchor": {newPod(), newSandbox(), sharedService(strangeService), map[string]any{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := test.pod.DeepCopy()
			assert.Equal(t, test.want, podDrift(test.pod, test.sandbox, test.anchor))
			assert.Equal(t, before, test.pod, "it may belong to the cache")
		})
	}
}

func TestServiceDrift(t *testing.T) {
	assert.Empty(t, serviceDrift(sharedService(), render.SharedService("team")))
	assert.Empty(t, serviceDrift(ownService(), render.Service(newSandbox(), anchorUID)))

	stolen := ownService(func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "theirs"} })
	assert.Equal(t, map[string]any{"spec": map[string]any{"selector": map[string]any{"app": nil, v1beta1.SandboxNameLabel: "dev"}}},
		serviceDrift(stolen, render.Service(newSandbox(), anchorUID)))
}

func TestOwnership(t *testing.T) {
	sandbox := newSandbox()
	notController := newPod(func(p *corev1.Pod) { p.OwnerReferences[0].Controller = ptr.To(false) })
	another := newPod(func(p *corev1.Pod) { p.OwnerReferences[0].UID = "uid-other" })
	assert.True(t, owned(newPod(), sandbox))
	assert.False(t, owned(notController, sandbox), "an owner that is no controller proves nothing")
	assert.False(t, owned(another, sandbox), "a name proves nothing")
	assert.False(t, owned(newPod(stranger), sandbox))

	assert.True(t, ownsDisk(newDisk("data"), sandbox))
	assert.False(t, ownsDisk(newDisk("data", strangeDisk), sandbox))
	assert.True(t, retained(newDisk("data", diskOf(v1beta1.RetainedUID)), sandbox))
	assert.False(t, retained(newDisk("data"), sandbox))
}

func TestPreconditions(t *testing.T) {
	patch, err := preconditioned(map[string]any{"spec": map[string]any{"a": "b"}}, newPod())
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(patch, &got))
	assert.Equal(t, map[string]any{
		"metadata": map[string]any{"uid": "uid-pod", "resourceVersion": "70"}, "spec": map[string]any{"a": "b"},
	}, got)
}
