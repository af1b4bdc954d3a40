// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"slices"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A claim and its Sandbox are written in one etcd transaction, which etcd
// bounds by 1.5 MiB. The rest is room for status and encryption.
const (
	// MaxObjectBytes is the largest Sandbox or SandboxTemplate, in stored form.
	MaxObjectBytes = 1 << 20
	// MaxClaimBytes is the largest SandboxClaim, in stored form.
	MaxClaimBytes = 256 << 10
)

var (
	metadataPath = field.NewPath("metadata")
	specPath     = field.NewPath("spec")
	statusPath   = field.NewPath("status")
)

// All four kinds have names of at most 63 characters: a Sandbox's is a hostname,
// the others are label values.
func validateMetadata(meta *metav1.ObjectMeta) field.ErrorList {
	const namespaced = true
	return apivalidation.ValidateObjectMeta(meta, namespaced, apivalidation.NameIsDNSLabel, metadataPath)
}

func validateEnum[T ~string](value T, path *field.Path, valid ...T) field.ErrorList {
	if slices.Contains(valid, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, valid)}
}

func validateFuture(t *metav1.Time, now time.Time, path *field.Path) field.ErrorList {
	if t == nil || t.After(now) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, t.UTC().Format(time.RFC3339),
		fmt.Sprintf("must lie in the future: it is %s now", now.UTC().Format(time.RFC3339)))}
}

// validateNewTime lets a time stay that has passed since it was set.
func validateNewTime(t, old *metav1.Time, now time.Time, path *field.Path) field.ErrorList {
	if t.Equal(old) {
		return nil
	}
	return validateFuture(t, now, path)
}

func validateName(name string, path *field.Path, wanted string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, wanted)}
	}
	var errs field.ErrorList
	for _, msg := range utilvalidation.IsDNS1123Label(name) {
		errs = append(errs, field.Invalid(path, name, msg))
	}
	return errs
}

func validateNotNegative(value int64, path *field.Path) field.ErrorList {
	if value >= 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, value, "must be 0 or more")}
}

// validateImmutable does not print the value: it may be a whole PodSpec.
func validateImmutable(value, old any, path *field.Path, instead string) field.ErrorList {
	if apiequality.Semantic.DeepEqual(value, old) {
		return nil
	}
	return field.ErrorList{field.Forbidden(path, "field is immutable: "+instead)}
}

func validateSize(size, limit int) field.ErrorList {
	if size <= limit {
		return nil
	}
	err := field.TooLong(specPath, "", limit)
	err.Detail = fmt.Sprintf("the object takes %d bytes and may take %d: keep files and scripts in the image, a ConfigMap or a volume", size, limit)
	return field.ErrorList{err}
}

// validatePodIPs takes whatever form kubelet reports.
func validatePodIPs(ips []string, path *field.Path) field.ErrorList {
	const strict = false
	var errs field.ErrorList
	for i, ip := range ips {
		errs = append(errs, utilvalidation.IsValidIPForLegacyField(path.Index(i), ip, strict, nil)...)
	}
	return errs
}
