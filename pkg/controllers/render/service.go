// SPDX-License-Identifier: Apache-2.0

package render

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

const (
	managedByLabel = "app.kubernetes.io/managed-by"
	managedBy      = "sandbox-apiserver"
)

// Service is the headless Service of a Sandbox's own name. anchor is the UID of
// the shared Service, as for Pod.
func Service(sandbox *v1beta1.Sandbox, anchor types.UID) *corev1.Service {
	service := headless(map[string]string{v1beta1.SandboxNameLabel: sandbox.Name})
	service.Name = sandbox.Name
	service.Namespace = sandbox.Namespace
	service.Labels = withLabels(map[string]string{managedByLabel: managedBy}, identityLabels(sandbox))
	service.OwnerReferences = Owners(sandbox, anchor)
	return service
}

// SharedService is the headless Service of all Sandboxes of a namespace. It gives
// each of them its DNS name and anchors their Pods. It belongs to none of them, so
// it has no owner and stays until the namespace goes. It has no selector: package
// endpoints keeps its EndpointSlices.
func SharedService(namespace string) *corev1.Service {
	service := headless(nil)
	service.Name = v1beta1.SharedServiceName
	service.Namespace = namespace
	service.Labels = map[string]string{
		managedByLabel:             managedBy,
		v1beta1.SharedServiceLabel: "true",
		// Of no Sandbox, but there: one selector finds all that is made here.
		v1beta1.SandboxNameLabel: "",
	}
	return service
}

// headless has no port: DNS then gives the addresses of the Pods and nothing else.
func headless(selector map[string]string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{},
		Spec: corev1.ServiceSpec{
			ClusterIP:      corev1.ClusterIPNone,
			Selector:       selector,
			IPFamilyPolicy: ptr.To(corev1.IPFamilyPolicyPreferDualStack),
		},
	}
}
