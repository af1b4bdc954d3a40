// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestDetached(t *testing.T) {
	tests := map[string]struct {
		change   func(*corev1.Pod)
		of       types.UID
		detached bool
	}{
		"as it was made": {func(*corev1.Pod) {}, "uid-dev", false},
		"the collector took the controller off": {
			func(p *corev1.Pod) { p.OwnerReferences = p.OwnerReferences[1:] }, "uid-dev", true,
		},
		"an anchor of yesterday is one": {
			func(p *corev1.Pod) {
				p.OwnerReferences = p.OwnerReferences[1:]
				p.OwnerReferences[0].UID = "uid-earlier"
			}, "uid-dev", true,
		},
		"owners of others do not matter": {
			func(p *corev1.Pod) {
				p.OwnerReferences[0] = metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "theirs", UID: "uid-theirs"}
			}, "uid-dev", true,
		},
		"but a controller of theirs does": {
			func(p *corev1.Pod) {
				p.OwnerReferences[0] = metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "theirs", UID: "uid-theirs", Controller: ptr.To(true)}
			}, "uid-dev", false,
		},
		"a Sandbox that is no controller is not what the collector leaves": {
			func(p *corev1.Pod) { p.OwnerReferences[0].Controller = ptr.To(false) }, "uid-dev", false,
		},
		"no anchor": {func(p *corev1.Pod) { p.OwnerReferences = p.OwnerReferences[:1] }, "", false},
		"no owners": {func(p *corev1.Pod) { p.OwnerReferences = nil }, "", false},
		"a Service of the name, but another kind of it": {
			func(p *corev1.Pod) {
				p.OwnerReferences = p.OwnerReferences[1:]
				p.OwnerReferences[0].APIVersion = "serving.knative.dev/v1"
			}, "", false,
		},
		"no label": {
			func(p *corev1.Pod) {
				p.OwnerReferences = p.OwnerReferences[1:]
				delete(p.Labels, v1beta1.SandboxUIDLabel)
			}, "", false,
		},
		"left to the user": {
			func(p *corev1.Pod) {
				p.OwnerReferences = p.OwnerReferences[1:]
				p.Labels[v1beta1.SandboxUIDLabel] = v1beta1.RetainedUID
			}, "", false,
		},
		"a name that is not the Sandbox's": {
			func(p *corev1.Pod) {
				p.OwnerReferences = p.OwnerReferences[1:]
				p.Name = "other"
			}, "", false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pod := Pod(newSandbox(), "uid-anchor")
			test.change(pod)
			assert.Equal(t, test.of, ChildOf(pod))
			assert.Equal(t, test.detached, Detached(pod))
		})
	}
	assert.Equal(t, types.UID("uid-dev"), ChildOf(Service(newSandbox(withService), "uid-anchor")))
	assert.Empty(t, ChildOf(SharedService("team")), "the anchor is nobody's")
}
