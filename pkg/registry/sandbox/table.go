// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var table = subresource.Table[*sandbox.Sandbox]{
	Columns: []metav1.TableColumnDefinition{
		subresource.NameColumn(),
		subresource.Column("Ready", "Whether the Sandbox answers."),
		subresource.Column("Status", "What the Sandbox is doing."),
		subresource.Column("Pool", "The warm pool that the Sandbox was made for."),
		subresource.Column("Claim", "The claim that holds the Sandbox."),
		subresource.AgeColumn(),
		subresource.WideColumn("IP", "First address of the Pod."),
		subresource.WideColumn("Node", "Node that the Pod runs on."),
		subresource.WideColumn("Runtime", "RuntimeClass of the Pod."),
		subresource.WideColumn("FQDN", "Stable DNS name."),
	},
	Row: row,
}

func row(sbx *sandbox.Sandbox, now time.Time) []any {
	ready, claim, ip := string(metav1.ConditionUnknown), "", ""
	if condition := meta.FindStatusCondition(sbx.Status.Conditions, v1beta1.ConditionReady); condition != nil {
		ready = string(condition.Status)
	}
	if sbx.Spec.ClaimRef != nil {
		claim = sbx.Spec.ClaimRef.Name
	}
	if len(sbx.Status.PodIPs) > 0 {
		ip = sbx.Status.PodIPs[0]
	}
	return []any{
		sbx.Name, ready, phase(sbx), sbx.Labels[v1beta1.WarmPoolLabel], claim, subresource.Age(sbx.CreationTimestamp, now),
		ip, sbx.Status.NodeName, ptr.Deref(sbx.Spec.PodTemplate.Spec.RuntimeClassName, ""), sbx.Status.ServiceFQDN,
	}
}

// phase is one word for what the conditions say together.
func phase(sbx *sandbox.Sandbox) string {
	ready := meta.FindStatusCondition(sbx.Status.Conditions, v1beta1.ConditionReady)
	finished := meta.FindStatusCondition(sbx.Status.Conditions, v1beta1.ConditionFinished)
	suspended := sbx.Spec.OperatingMode == sandbox.SandboxSuspended
	switch {
	case sbx.DeletionTimestamp != nil:
		return "Terminating"
	case finished != nil && finished.Status == metav1.ConditionTrue:
		return strings.TrimPrefix(finished.Reason, "Pod")
	case ready == nil:
		return "Pending"
	case ready.Reason == v1beta1.ReasonSandboxExpired:
		return "Expired"
	case ready.Reason == v1beta1.ReasonNameConflict, ready.Reason == v1beta1.ReasonReconcilerError:
		return ready.Reason
	case suspended && meta.IsStatusConditionTrue(sbx.Status.Conditions, v1beta1.ConditionSuspended):
		return "Suspended"
	case suspended:
		return "Suspending"
	case ready.Status == metav1.ConditionTrue:
		return "Running"
	}
	return "Pending"
}
