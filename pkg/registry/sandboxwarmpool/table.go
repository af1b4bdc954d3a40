// SPDX-License-Identifier: Apache-2.0

package sandboxwarmpool

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/registry/subresource"
)

var table = subresource.Table[*sandbox.SandboxWarmPool]{
	Columns: []metav1.TableColumnDefinition{
		subresource.NameColumn(),
		subresource.NumberColumn("Desired", "How many unclaimed Sandboxes the pool should keep."),
		subresource.NumberColumn("Ready", "How many of them are Ready."),
		subresource.NumberColumn("Stale", "How many were made from an earlier template."),
		subresource.Column("Template", "The template of the pool."),
		subresource.AgeColumn(),
	},
	Row: row,
}

func row(pool *sandbox.SandboxWarmPool, now time.Time) []any {
	return []any{
		pool.Name, int64(ptr.Deref(pool.Spec.Replicas, 0)), int64(pool.Status.ReadyReplicas), int64(pool.Status.StaleReplicas),
		pool.Spec.SandboxTemplateRef.Name, subresource.Age(pool.CreationTimestamp, now),
	}
}
