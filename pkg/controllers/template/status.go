// SPDX-License-Identifier: Apache-2.0

package template

import (
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// Reasons of the condition NetworkPolicyReady that no other condition has.
const (
	reasonInPlace   = "NetworkPolicyInPlace"
	reasonUnmanaged = "NetworkPolicyUnmanaged"
)

// statusOf is the status that the template should have now. err is what kept the
// plan from being made or carried out. What does not change keeps its
// lastTransitionTime, so an unchanged state gives an equal status.
func statusOf(template *v1beta1.SandboxTemplate, p plan, err error, now time.Time) v1beta1.SandboxTemplateStatus {
	status := *template.Status.DeepCopy()
	condition := networkPolicyReady(template, p, err)
	condition.ObservedGeneration = template.Generation
	condition.LastTransitionTime = metav1.NewTime(now)
	meta.SetStatusCondition(&status.Conditions, condition)
	return status
}

func networkPolicyReady(template *v1beta1.SandboxTemplate, p plan, err error) metav1.Condition {
	is := func(status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: v1beta1.ConditionNetworkPolicyReady, Status: status, Reason: reason, Message: message}
	}
	switch {
	case err != nil:
		return is(metav1.ConditionFalse, v1beta1.ReasonReconcilerError, errorMessage(err))
	case p.state == inPlace:
		return is(metav1.ConditionTrue, reasonInPlace, fmt.Sprintf("NetworkPolicy %q is in place", render.NetworkPolicyName(template.Name)))
	case p.state == unmanaged:
		return is(metav1.ConditionTrue, reasonUnmanaged, "network policies for the Pods of this template are left to the user")
	case p.state == conflict:
		return is(metav1.ConditionFalse, v1beta1.ReasonNameConflict, p.detail)
	default:
		return is(metav1.ConditionFalse, v1beta1.ReasonDependenciesNotReady, p.detail)
	}
}

// errorMessage is the text of an error without what differs at each try, such as
// the port of a broken connection.
func errorMessage(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return "the cluster does not answer"
	}
	return err.Error()
}

// reasonOf is the reason of the condition NetworkPolicyReady.
func reasonOf(template *v1beta1.SandboxTemplate) string {
	if condition := meta.FindStatusCondition(template.Status.Conditions, v1beta1.ConditionNetworkPolicyReady); condition != nil {
		return condition.Reason
	}
	return ""
}
