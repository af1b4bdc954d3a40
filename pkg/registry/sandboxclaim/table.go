// SPDX-License-Identifier: Apache-2.0

package sandboxclaim

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var table = subresource.Table[*sandbox.SandboxClaim]{
	Columns: []metav1.TableColumnDefinition{
		subresource.NameColumn(),
		subresource.Column("Ready", "Whether the claimed Sandbox answers."),
		subresource.Column("Sandbox", "The Sandbox that the claim holds."),
		subresource.Column("Start", "Warm or cold."),
		subresource.Column("Pool", "The pool that was claimed from."),
		subresource.AgeColumn(),
		subresource.WideColumn("IP", "First address of the Sandbox."),
		subresource.WideColumn("FQDN", "Stable DNS name of the Sandbox."),
	},
	Row: row,
}

func row(claim *sandbox.SandboxClaim, now time.Time) []any {
	ready, held, ip := string(metav1.ConditionUnknown), sandbox.ClaimedSandbox{}, ""
	if condition := meta.FindStatusCondition(claim.Status.Conditions, v1beta1.ConditionReady); condition != nil {
		ready = string(condition.Status)
	}
	if claim.Status.Sandbox != nil {
		held = *claim.Status.Sandbox
	}
	if len(held.PodIPs) > 0 {
		ip = held.PodIPs[0]
	}
	return []any{
		claim.Name, ready, held.Name, string(held.LaunchType), claim.Spec.WarmPoolRef.Name,
		subresource.Age(claim.CreationTimestamp, now), ip, held.ServiceFQDN,
	}
}
