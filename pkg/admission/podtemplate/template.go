// SPDX-License-Identifier: Apache-2.0

package podtemplate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

const (
	dryRunName = "sandbox-dry-run"
	// dryRunUID stands in labels where the UID of a Sandbox will stand.
	dryRunUID = "00000000-0000-0000-0000-000000000000"
)

// template is the part of an object that decides about its Pod, and the name of
// the object, which only errors need. It shares memory with the object.
type template struct {
	name string
	spec sandbox.SandboxSpec
}

// pod is the Pod that a Sandbox of this template would have, under a name that
// the cluster chooses: equal templates give equal Pods, and no existing Pod is in
// the way.
func (t template) pod(namespace string) (*corev1.Pod, error) {
	hub := &sandbox.Sandbox{Spec: t.spec}
	external := &v1beta1.Sandbox{}
	if err := v1beta1.Convert_sandbox_Sandbox_To_v1beta1_Sandbox(hub, external, nil); err != nil {
		return nil, err
	}
	external.Namespace, external.Name, external.UID = namespace, dryRunName, dryRunUID
	pod := render.Pod(external, "")
	pod.Name, pod.GenerateName = "", dryRunName+"-"
	return pod, nil
}

// invalid is the answer that kube-apiserver gives for an invalid Pod, in terms
// of the object that was sent.
func (t template) invalid(kind schema.GroupKind, podCauses []metav1.StatusCause) error {
	causes := make([]metav1.StatusCause, 0, len(podCauses))
	messages := make([]error, 0, len(podCauses))
	for _, cause := range podCauses {
		cause.Field = t.field(cause.Field)
		causes = append(causes, cause)
		messages = append(messages, errors.New(cause.Field+": "+cause.Message))
	}
	err := apierrors.NewInvalid(kind, t.name, nil)
	err.ErrStatus.Message = fmt.Sprintf("%s %q is invalid: %v", kind, t.name, utilerrors.NewAggregate(messages))
	err.ErrStatus.Details.Causes = causes
	return err
}

var volumeField = regexp.MustCompile(`^spec\.volumes\[(\d+)\](.*)$`)

// field says where in the object a field of its Pod comes from.
func (t template) field(podField string) string {
	if match := volumeField.FindStringSubmatch(podField); match != nil {
		if index, err := strconv.Atoi(match[1]); err == nil {
			return t.volumeField(index, match[2])
		}
	}
	if strings.HasPrefix(podField, "spec.") || strings.HasPrefix(podField, "metadata.") {
		return "spec.podTemplate." + podField
	}
	return "spec.podTemplate"
}

// volumeField knows the order in which render puts volumes: first those of the
// podTemplate that no disk replaces, then the disks.
func (t template) volumeField(index int, rest string) string {
	disks := t.spec.VolumeClaimTemplates
	for i, volume := range t.spec.PodTemplate.Spec.Volumes {
		if slices.ContainsFunc(disks, func(d sandbox.PersistentVolumeClaimTemplate) bool { return d.Metadata.Name == volume.Name }) {
			continue
		}
		if index == 0 {
			return fmt.Sprintf("spec.podTemplate.spec.volumes[%d]%s", i, rest)
		}
		index--
	}
	if index < len(disks) {
		return fmt.Sprintf("spec.volumeClaimTemplates[%d]", index)
	}
	return "spec.podTemplate.spec.volumes"
}
