// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// FQDN is the name that DNS serves for the Pod of a Sandbox; empty when the
// template names its Pod in a way that no Service of ours answers for.
func FQDN(sandbox *v1beta1.Sandbox, clusterDomain string) string {
	service := ServiceName(sandbox)
	labels := []string{service, sandbox.Namespace, "svc", clusterDomain}
	switch {
	case service == "":
		return ""
	case ptr.Deref(sandbox.Spec.Service, false):
	case namesItself(&sandbox.Spec.PodTemplate.Spec):
		labels = append([]string{sandbox.Spec.PodTemplate.Spec.Hostname}, labels...)
	default:
		labels = append([]string{sandbox.Name}, labels...)
	}
	return strings.Join(labels, ".")
}

// ServiceName is the Service behind FQDN: the Sandbox's own if it asks for one,
// else the shared one. Empty when FQDN is.
func ServiceName(sandbox *v1beta1.Sandbox) string {
	spec := &sandbox.Spec.PodTemplate.Spec
	switch {
	case ptr.Deref(sandbox.Spec.Service, false):
		return sandbox.Name
	case namesItself(spec) && (spec.Hostname == "" || spec.Subdomain != v1beta1.SharedServiceName):
		return ""
	default:
		return v1beta1.SharedServiceName
	}
}

// namesItself says whether a template sets its own DNS identity. Then neither half
// of it is filled in: half a name of ours would be a name that nobody asked for.
func namesItself(spec *corev1.PodSpec) bool {
	return spec.Hostname != "" || spec.Subdomain != ""
}
