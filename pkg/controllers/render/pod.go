// SPDX-License-Identifier: Apache-2.0

package render

import (
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// Pod is the Pod of a Sandbox. anchor is the UID of the namespace's shared
// Service; without one the Pod has no owners, which is what a dry run wants.
func Pod(sandbox *v1beta1.Sandbox, anchor types.UID) *corev1.Pod {
	template := &sandbox.Spec.PodTemplate
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:            sandbox.Name,
			Namespace:       sandbox.Namespace,
			Labels:          withLabels(template.Metadata.Labels, Labels(sandbox)),
			Annotations:     withLabels(template.Metadata.Annotations, nil),
			OwnerReferences: Owners(sandbox, anchor),
		},
		Spec: *template.Spec.DeepCopy(),
	}
	spec := &pod.Spec
	if spec.AutomountServiceAccountToken == nil {
		spec.AutomountServiceAccountToken = ptr.To(false)
	}
	if spec.EnableServiceLinks == nil {
		spec.EnableServiceLinks = ptr.To(false)
	}
	if !namesItself(spec) {
		spec.Hostname = sandbox.Name
		spec.Subdomain = v1beta1.SharedServiceName
	}
	spec.Volumes = withDisks(sandbox, spec.Volumes)
	return pod
}

// Labels are the reserved labels of the Pod of a Sandbox. Those of pool, template
// and claim follow the labels of the Sandbox as they are now.
func Labels(sandbox *v1beta1.Sandbox) map[string]string {
	labels := identityLabels(sandbox)
	labels[v1beta1.SandboxLabel] = "true"
	for _, key := range []string{v1beta1.WarmPoolLabel, v1beta1.TemplateLabel, v1beta1.ClaimLabel} {
		if value, ok := sandbox.Labels[key]; ok {
			labels[key] = value
		}
	}
	return labels
}

// Reserved says whether a label or annotation belongs to the server.
func Reserved(key string) bool {
	return strings.HasPrefix(key, v1beta1.KeyPrefix)
}

// Owners are the owner references of the Pod and of the own Service of a Sandbox:
// the Sandbox as controller, and the anchor, the namespace's shared Service. While
// the anchor exists the garbage collector never deletes the object, whatever it
// believes about Sandboxes. Without an anchor there are no owners at all.
func Owners(sandbox *v1beta1.Sandbox, anchor types.UID) []metav1.OwnerReference {
	if anchor == "" {
		return nil
	}
	return []metav1.OwnerReference{
		*metav1.NewControllerRef(sandbox, v1beta1.SchemeGroupVersion.WithKind("Sandbox")),
		{
			APIVersion: corev1.SchemeGroupVersion.String(),
			Kind:       "Service",
			Name:       v1beta1.SharedServiceName,
			UID:        anchor,
		},
	}
}

// identityLabels say which Sandbox an object belongs to.
func identityLabels(sandbox *v1beta1.Sandbox) map[string]string {
	return map[string]string{
		v1beta1.SandboxNameLabel: sandbox.Name,
		v1beta1.SandboxUIDLabel:  string(sandbox.UID),
	}
}

// withLabels merges reserved keys into those of a template. A reserved key of the
// template never gets through, not even one that the server does not set: it could
// put the object behind another Sandbox's Service.
func withLabels(template, reserved map[string]string) map[string]string {
	if len(template)+len(reserved) == 0 {
		return nil
	}
	merged := make(map[string]string, len(template)+len(reserved))
	for key, value := range template {
		if !Reserved(key) {
			merged[key] = value
		}
	}
	maps.Copy(merged, reserved)
	return merged
}
