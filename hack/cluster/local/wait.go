// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const pollInterval = 200 * time.Millisecond

// reasoned polls until check gives no reason to wait any longer. Each new reason is
// told once; on time-out the last one becomes the error.
func reasoned(ctx context.Context, what string, tell func(string), check func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		reason := check(ctx)
		if terminal := (*terminalError)(nil); errors.As(reason, &terminal) {
			return false, reason
		}
		if reason != nil && ctx.Err() == nil {
			if last == nil || reason.Error() != last.Error() {
				tell("waiting for " + what + ": " + reason.Error())
			}
			last = reason
		}
		return reason == nil, nil
	})
	switch {
	case err == nil:
		return nil
	case wait.Interrupted(err) && last != nil:
		return fmt.Errorf("waiting for %s: %w: %w", what, context.Cause(ctx), last)
	default:
		return fmt.Errorf("waiting for %s: %w", what, err)
	}
}

// terminalError is a reason that waiting will not change.
type terminalError struct{ error }

func (e *terminalError) Unwrap() error { return e.error }

// nodesReady says what still keeps Pods from being scheduled.
func nodesReady(client kubernetes.Interface, want int) func(context.Context) error {
	return func(ctx context.Context) error {
		list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		ready := 0
		for i := range list.Items {
			if schedulable(&list.Items[i]) {
				ready++
			}
		}
		if ready < want {
			return fmt.Errorf("%d of %d nodes are ready", ready, want)
		}
		_, err = client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	}
}

// schedulable is Ready, and seen to be by the node controller.
func schedulable(node *corev1.Node) bool {
	for _, taint := range node.Spec.Taints {
		if taint.Effect == corev1.TaintEffectNoSchedule || taint.Effect == corev1.TaintEffectNoExecute {
			return false
		}
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// unavailable returns why the APIService is not Available, nil when it is.
func unavailable(raw []byte) error {
	var service struct {
		Status struct {
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"status"`
	}
	if err := json.Unmarshal(raw, &service); err != nil {
		return fmt.Errorf("decoding APIService %s: %w", APIServiceName, err)
	}
	for _, condition := range service.Status.Conditions {
		if condition.Type != "Available" {
			continue
		}
		if condition.Status == metav1.ConditionTrue {
			return nil
		}
		return fmt.Errorf("APIService %s: %s: %s", APIServiceName, condition.Reason, condition.Message)
	}
	return fmt.Errorf("APIService %s: not looked at yet", APIServiceName)
}
