// SPDX-License-Identifier: Apache-2.0

package orphan

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// apiService is where an administrator is told what concerns no namespace.
var apiService = corev1.ObjectReference{
	APIVersion: "apiregistration.k8s.io/v1", Kind: "APIService",
	Name: v1beta1.SchemeGroupVersion.Version + "." + v1beta1.GroupName,
}

// announce tells of orphans that will be deleted, and of the brake.
func (c *Controller) announce(ctx context.Context, p plan, before memory) {
	logger := klog.FromContext(ctx)
	for _, orphan := range p.noticed {
		logger.Info("Found an orphan", "resource", orphan.resource, "object", klog.KRef(orphan.namespace, orphan.name),
			"sandboxUID", orphan.sandbox, "deletedAfter", c.Grace)
		c.record(orphan, "Orphaned", "there is no Sandbox %q of UID %s: this will be deleted in %v; take the label %s off to keep it",
			orphan.name, orphan.sandbox, c.Grace, v1beta1.SandboxUIDLabel)
	}
	switch {
	case p.memory.stopped && !before.stopped:
		logger.Info("WARNING: too much is without a Sandbox, no orphan is deleted: is this the right store?",
			"children", p.stopsFor.children, "missing", p.stopsFor.missing)
		c.Events.Eventf(apiService.DeepCopy(), nil, corev1.EventTypeWarning, "OrphanSweepStopped", "Sweep",
			"%d of the oldest %d Pods and Services are of Sandboxes that do not exist: no orphan is deleted; restore the right store, or delete what is not wanted",
			p.stopsFor.missing, p.stopsFor.children)
	case !p.memory.stopped && before.stopped:
		logger.Info("Orphans are swept again", "children", p.share.children, "missing", p.share.missing)
	}
}

// record reports a Warning on a child. The recorder knows no Pods, but references.
func (c *Controller) record(orphan child, reason, note string, args ...any) {
	kind := "Pod"
	if orphan.resource == services {
		kind = "Service"
	}
	reference := &corev1.ObjectReference{
		APIVersion: corev1.SchemeGroupVersion.String(), Kind: kind, Namespace: orphan.namespace, Name: orphan.name, UID: orphan.uid,
	}
	c.Events.Eventf(reference, nil, corev1.EventTypeWarning, reason, "Sweep", note, args...)
}
