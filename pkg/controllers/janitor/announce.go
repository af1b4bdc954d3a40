// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// apiService is where an administrator is told: a namespace that is dead has no Events.
var apiService = corev1.ObjectReference{
	APIVersion: "apiregistration.k8s.io/v1", Kind: "APIService",
	Name: v1beta1.SchemeGroupVersion.Version + "." + v1beta1.GroupName,
}

// announce tells of namespaces that will be cleared up behind, and of the brake.
func (c *Controller) announce(ctx context.Context, p plan, before memory) {
	logger := klog.FromContext(ctx)
	for _, namespace := range p.noticed {
		logger.Info("A namespace looks dead, and what it has left is about to be deleted",
			"namespace", namespace, "successor", p.memory.dead[namespace].successor, "deletedAfter", c.Patience)
		c.Events.Eventf(apiService.DeepCopy(), nil, corev1.EventTypeWarning, "DeadNamespace", "CleanUp",
			"the namespace %q of some objects does not exist any more: they will be deleted in %v", namespace, c.Patience)
	}
	switch {
	case p.memory.stopped && !before.stopped:
		logger.Info("WARNING: too many namespaces look dead, nothing is deleted: is this the right cluster?",
			"namespaces", p.namespaces, "dead", p.dead)
		c.Events.Eventf(apiService.DeepCopy(), nil, corev1.EventTypeWarning, "JanitorStopped", "CleanUp",
			"%d of %d namespaces that have objects of ours do not exist, or are younger than these: nothing is deleted; delete what is not wanted",
			p.dead, p.namespaces)
	case !p.memory.stopped && before.stopped:
		logger.Info("Dead namespaces are cleared up behind again", "namespaces", p.namespaces, "dead", p.dead)
	}
}
