// SPDX-License-Identifier: Apache-2.0

package validation

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// validateVolumeClaimTemplates does not look at the length of the claims' names:
// TEMPLATE-SANDBOX is two labels of 63 characters, and 253 are allowed.
func validateVolumeClaimTemplates(templates []sandbox.PersistentVolumeClaimTemplate, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[string]()
	for i := range templates {
		metadata, path := &templates[i].Metadata, path.Index(i)
		namePath := path.Child("metadata", "name")
		errs = append(errs, validateName(metadata.Name, namePath, "containers mount the volume by this name")...)
		if metadata.Name != "" && seen.Has(metadata.Name) {
			errs = append(errs, field.Duplicate(namePath, metadata.Name))
		}
		seen.Insert(metadata.Name)
		errs = append(errs, validateLabelsAndAnnotations(metadata.Labels, metadata.Annotations, path.Child("metadata"))...)
		errs = append(errs, validateVolumeClaimSpec(&templates[i].Spec, path.Child("spec"))...)
	}
	return errs
}

func validateVolumeClaimSpec(spec *corev1.PersistentVolumeClaimSpec, path *field.Path) field.ErrorList {
	errs := validateAccessModes(spec.AccessModes, path.Child("accessModes"))
	storagePath := path.Child("resources", "requests").Key(string(corev1.ResourceStorage))
	storage, requested := spec.Resources.Requests[corev1.ResourceStorage]
	switch {
	case !requested:
		errs = append(errs, field.Required(storagePath, `how large the volume is, for example "1Gi"`))
	case storage.Sign() <= 0:
		errs = append(errs, field.Invalid(storagePath, storage.String(), `must be more than 0, for example "1Gi"`))
	}
	return errs
}

func validateAccessModes(modes []corev1.PersistentVolumeAccessMode, path *field.Path) field.ErrorList {
	if len(modes) == 0 {
		return field.ErrorList{field.Required(path, `at least one access mode, for example "ReadWriteOnce"`)}
	}
	var errs field.ErrorList
	for i, mode := range modes {
		errs = append(errs, validateEnum(mode, path.Index(i),
			corev1.ReadWriteOnce, corev1.ReadOnlyMany, corev1.ReadWriteMany, corev1.ReadWriteOncePod)...)
		if mode == corev1.ReadWriteOncePod && len(modes) > 1 {
			errs = append(errs, field.Forbidden(path.Index(i), "ReadWriteOncePod cannot be combined with other access modes"))
		}
	}
	return errs
}
