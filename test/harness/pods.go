// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"encoding/json"
	"fmt"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// SetPodStatus does what a kubelet does: it merges into the status of a Pod.
func (s *Space) SetPodStatus(name string, status corev1.PodStatus) *corev1.Pod {
	s.T.Helper()
	patch, err := json.Marshal(map[string]any{"status": status})
	require.NoError(s.T, err)
	pod, err := s.Pods().Patch(s.T.Context(), name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	require.NoError(s.T, err)
	return pod
}

// EndPod ends the container "main" of a Pod, as if it had exited by itself.
func (s *Space) EndPod(name string, exitCode int32) *corev1.Pod {
	s.T.Helper()
	phase, reason := corev1.PodSucceeded, "Completed"
	if exitCode != 0 {
		phase, reason = corev1.PodFailed, "Error"
	}
	now := metav1.Now()
	ended := corev1.ContainerStateTerminated{ExitCode: exitCode, Reason: reason, StartedAt: now, FinishedAt: now}
	return s.SetPodStatus(name, corev1.PodStatus{
		Phase: phase,
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "PodCompleted", LastTransitionTime: now},
			{Type: corev1.ContainersReady, Status: corev1.ConditionFalse, Reason: "PodCompleted", LastTransitionTime: now},
		},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "main", Image: Image, State: corev1.ContainerState{Terminated: &ended}}},
	})
}

// WaitReplaced returns the Pod of that name once it is another one than old, and Ready.
func (s *Space) WaitReplaced(name string, old types.UID) *corev1.Pod {
	s.T.Helper()
	var pod *corev1.Pod
	s.Eventually("Pod "+name+" is replaced", func() error {
		var err error
		if pod, err = s.Pods().Get(s.T.Context(), name, metav1.GetOptions{}); err != nil {
			return err
		}
		if pod.UID == old {
			return fmt.Errorf("it is still the Pod of UID %s, phase %s", old, pod.Status.Phase)
		}
		if pod.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("the new Pod is %s", pod.Status.Phase)
		}
		return nil
	})
	return pod
}
