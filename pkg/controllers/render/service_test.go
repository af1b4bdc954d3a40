// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestOwnService(t *testing.T) {
	sandbox := newSandbox(withService)

	service := Service(sandbox, "uid-anchor")

	assert.Equal(t, "team/dev", service.Namespace+"/"+service.Name)
	assert.Equal(t, corev1.ClusterIPNone, service.Spec.ClusterIP)
	assert.Equal(t, Owners(sandbox, "uid-anchor"), service.OwnerReferences)
	assert.Equal(t, "uid-dev", service.Labels[v1beta1.SandboxUIDLabel])
	assert.True(t, selects(service, Pod(sandbox, "uid-anchor")))
	other := Pod(newSandbox(func(s *v1beta1.Sandbox) { s.Name = "other" }), "uid-anchor")
	assert.False(t, selects(service, other), "nobody else is behind it")
}

func TestSharedService(t *testing.T) {
	service := SharedService("team")

	assert.Equal(t, "team/sandboxes", service.Namespace+"/"+service.Name)
	assert.Equal(t, corev1.ClusterIPNone, service.Spec.ClusterIP)
	assert.Empty(t, service.OwnerReferences, "an owner that goes would take every Pod's anchor with it")
	assert.Equal(t, "true", service.Labels[v1beta1.SharedServiceLabel])
	assert.Equal(t, "sandbox-apiserver", service.Labels["app.kubernetes.io/managed-by"])
	assert.Empty(t, service.Spec.Selector, "whose names it has is decided by package endpoints")
}

func TestOneSelectorFindsEverything(t *testing.T) {
	sandbox := newSandbox(withDisk("data"))
	for _, object := range []metav1.Object{
		Pod(sandbox, ""), Service(sandbox, ""), SharedService("team"),
		PersistentVolumeClaim(sandbox, &sandbox.Spec.VolumeClaimTemplates[0]),
	} {
		assert.Contains(t, object.GetLabels(), v1beta1.SandboxNameLabel, object.GetName())
	}
}

func selects(service *corev1.Service, pod *corev1.Pod) bool {
	return labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels))
}

func TestDNS(t *testing.T) {
	tests := map[string]struct {
		sandbox       *v1beta1.Sandbox
		fqdn, service string
	}{
		"shared":                                {newSandbox(), "dev.sandboxes.team.svc.cluster.local", "sandboxes"},
		"own":                                   {newSandbox(withService), "dev.team.svc.cluster.local", "dev"},
		"own, whatever the Pod calls itself":    {newSandbox(withService, withIdentity("box", "boxes")), "dev.team.svc.cluster.local", "dev"},
		"hostname behind the shared Service":    {newSandbox(withIdentity("box", "sandboxes")), "box.sandboxes.team.svc.cluster.local", "sandboxes"},
		"hostname alone has no name":            {newSandbox(withIdentity("box", "")), "", ""},
		"subdomain alone has no name":           {newSandbox(withIdentity("", "sandboxes")), "", ""},
		"another Service is the user's to know": {newSandbox(withIdentity("box", "boxes")), "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.fqdn, FQDN(test.sandbox, "cluster.local"))
			assert.Equal(t, test.service, ServiceName(test.sandbox))
		})
	}
}
