// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// GetAttrs returns what label and field selectors of a Sandbox see.
func GetAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	typed, ok := obj.(*sandbox.Sandbox)
	if !ok {
		return nil, nil, fmt.Errorf("reading the attributes of a Sandbox: unexpected %T", obj)
	}
	return typed.Labels, selectableFields(typed), nil
}

// match selects objects of a list or watch.
func match(label labels.Selector, field fields.Selector) storage.SelectionPredicate {
	return storage.SelectionPredicate{Label: label, Field: field, GetAttrs: GetAttrs}
}

// selectableFields offers the same names as the field labels of v1beta1.
func selectableFields(obj *sandbox.Sandbox) fields.Set {
	const namespaced = true
	claim := ""
	if obj.Spec.ClaimRef != nil {
		claim = obj.Spec.ClaimRef.Name
	}
	return generic.MergeFieldsSets(generic.ObjectMetaFieldsSet(&obj.ObjectMeta, namespaced), fields.Set{
		"spec.operatingMode": string(obj.Spec.OperatingMode),
		"spec.claimRef.name": claim,
		"status.nodeName":    obj.Status.NodeName,
	})
}
