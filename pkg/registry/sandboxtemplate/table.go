// SPDX-License-Identifier: Apache-2.0

package sandboxtemplate

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var table = subresource.Table[*sandbox.SandboxTemplate]{
	Columns: []metav1.TableColumnDefinition{
		subresource.NameColumn(),
		subresource.Column("Image", "Image of the first container."),
		subresource.Column("Runtime", "RuntimeClass of the Pods."),
		subresource.Column("Network", "Who keeps the NetworkPolicy."),
		subresource.AgeColumn(),
	},
	Row: row,
}

func row(template *sandbox.SandboxTemplate, now time.Time) []any {
	pod, image := &template.Spec.PodTemplate.Spec, ""
	if len(pod.Containers) > 0 {
		image = pod.Containers[0].Image
	}
	return []any{
		template.Name, image, ptr.Deref(pod.RuntimeClassName, ""), string(template.Spec.NetworkPolicyManagement),
		subresource.Age(template.CreationTimestamp, now),
	}
}
