// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
)

// fieldLabels are the field selectors of each kind beside metadata.name and
// metadata.namespace; the registries' selectable fields offer the same.
var fieldLabels = map[string]sets.Set[string]{
	"Sandbox":         sets.New("spec.operatingMode", "spec.claimRef.name", "status.nodeName"),
	"SandboxTemplate": sets.New[string](),
	"SandboxWarmPool": sets.New("spec.sandboxTemplateRef.name"),
	"SandboxClaim":    sets.New("spec.warmPoolRef.name"),
}

func addFieldLabelConversions(scheme *runtime.Scheme) error {
	for kind, extra := range fieldLabels {
		err := scheme.AddFieldLabelConversionFunc(SchemeGroupVersion.WithKind(kind),
			func(label, value string) (string, string, error) {
				if label == "metadata.name" || label == "metadata.namespace" || extra.Has(label) {
					return label, value, nil
				}
				return "", "", fmt.Errorf("field label %q is not supported for %s: use metadata.name, metadata.namespace or one of %v",
					label, kind, sets.List(extra))
			})
		if err != nil {
			return fmt.Errorf("adding field labels of %s: %w", kind, err)
		}
	}
	return nil
}
