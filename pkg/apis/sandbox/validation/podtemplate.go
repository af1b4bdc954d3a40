// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func validatePodTemplate(template *sandbox.PodTemplate, path *field.Path) field.ErrorList {
	errs := validatePodMetadata(&template.Metadata, path.Child("metadata"))
	return append(errs, validatePodSpec(&template.Spec, path.Child("spec"))...)
}

func validatePodMetadata(metadata *sandbox.PodMetadata, path *field.Path) field.ErrorList {
	return validateLabelsAndAnnotations(metadata.Labels, metadata.Annotations, path)
}

func validateLabelsAndAnnotations(labels, annotations map[string]string, path *field.Path) field.ErrorList {
	errs := metav1validation.ValidateLabels(labels, path.Child("labels"))
	errs = append(errs, apivalidation.ValidateAnnotations(annotations, path.Child("annotations"))...)
	errs = append(errs, forbidReservedKeys(labels, path.Child("labels"))...)
	return append(errs, forbidReservedKeys(annotations, path.Child("annotations"))...)
}

// forbidReservedKeys keeps a user from making a Pod or a disk look as if it
// belonged to another Sandbox.
func forbidReservedKeys(keys map[string]string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if strings.HasPrefix(key, v1beta1.KeyPrefix) {
			errs = append(errs, field.Forbidden(path.Key(key),
				fmt.Sprintf("keys under %q are reserved for the server: use another prefix", v1beta1.KeyPrefix)))
		}
	}
	return errs
}

func validatePodSpec(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(spec.Containers) == 0 {
		errs = append(errs, field.Required(path.Child("containers"), "a Sandbox needs at least one container"))
	}
	seen := sets.New[string]()
	errs = append(errs, validateContainers(spec.InitContainers, seen, path.Child("initContainers"))...)
	errs = append(errs, validateContainers(spec.Containers, seen, path.Child("containers"))...)
	if spec.RestartPolicy != "" {
		errs = append(errs, validateEnum(spec.RestartPolicy, path.Child("restartPolicy"),
			corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)...)
	}
	return errs
}

// validateContainers adds the names it meets to seen: init containers and
// containers of a Pod share one set of names.
func validateContainers(containers []corev1.Container, seen sets.Set[string], path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range containers {
		container, path := &containers[i], path.Index(i)
		errs = append(errs, validateName(container.Name, path.Child("name"), `every container needs a name, for example "main"`)...)
		if container.Name != "" && seen.Has(container.Name) {
			errs = append(errs, field.Duplicate(path.Child("name"), container.Name))
		}
		seen.Insert(container.Name)
		if strings.TrimSpace(container.Image) == "" {
			errs = append(errs, field.Required(path.Child("image"), `every container needs an image, for example "python:3.13-slim"`))
		}
	}
	return errs
}
