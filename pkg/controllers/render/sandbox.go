// SPDX-License-Identifier: Apache-2.0

package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// maxPrefix leaves room for the five characters that a name generator adds to a
// name of at most 63.
const maxPrefix = 58

// TemplateHash is a label value that tells what a template gives to its Sandboxes
// from what it gives at another time. What it only says about them, such as its
// network policy, does not count. It is made of the JSON form, which leaves out
// what is not set, so a server that knows more fields of a Pod finds the same hash.
func TemplateHash(template *v1beta1.SandboxTemplate) string {
	given := struct {
		PodTemplate          v1beta1.PodTemplate                     `json:"podTemplate"`
		VolumeClaimTemplates []v1beta1.PersistentVolumeClaimTemplate `json:"volumeClaimTemplates,omitempty"`
		Service              bool                                    `json:"service,omitempty"`
	}{template.Spec.PodTemplate, template.Spec.VolumeClaimTemplates, ptr.Deref(template.Spec.Service, false)}
	sum := sha256.New()
	// What cannot be written as JSON could not have been read by anybody.
	_ = json.NewEncoder(sum).Encode(given)
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// FromTemplate is a new member of a pool, which the API server names. The defaults
// of the API are not set on it, nor on what ForClaim makes.
func FromTemplate(template *v1beta1.SandboxTemplate, pool *v1beta1.SandboxWarmPool) *v1beta1.Sandbox {
	sandbox := fromTemplate(template, pool)
	sandbox.GenerateName = prefix(pool.Name)
	sandbox.OwnerReferences = []metav1.OwnerReference{
		*metav1.NewControllerRef(pool, v1beta1.SchemeGroupVersion.WithKind("SandboxWarmPool")),
	}
	return sandbox
}

// ForClaim is a new Sandbox that a claim holds from its first moment: a cold start.
// It has the env and the disks of the claim. Errors name fields of the claim that
// the policies of the template or the podTemplate forbid; then there is no Sandbox.
// The claim's own name is no good one: there may be a Sandbox of it already.
func ForClaim(template *v1beta1.SandboxTemplate, pool *v1beta1.SandboxWarmPool, claim *v1beta1.SandboxClaim, name string) (*v1beta1.Sandbox, field.ErrorList) {
	sandbox := fromTemplate(template, pool)
	sandbox.Name = name
	errs := injectEnv(sandbox, template, claim)
	errs = append(errs, injectDisks(sandbox, template, claim)...)
	errs = append(errs, hold(sandbox, claim)...)
	if len(errs) > 0 {
		return nil, errs
	}
	return sandbox, nil
}

// Claimed is a copy of a Sandbox, so far a pool's or nobody's, as a claim makes it:
// a warm start. The claim replaces the controller; that this may be replaced is for
// the caller to know. Errors are as those of ForClaim.
func Claimed(sandbox *v1beta1.Sandbox, claim *v1beta1.SandboxClaim) (*v1beta1.Sandbox, field.ErrorList) {
	claimed := sandbox.DeepCopy()
	if errs := hold(claimed, claim); len(errs) > 0 {
		return nil, errs
	}
	return claimed, nil
}

func fromTemplate(template *v1beta1.SandboxTemplate, pool *v1beta1.SandboxWarmPool) *v1beta1.Sandbox {
	given := template.Spec.DeepCopy()
	return &v1beta1.Sandbox{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pool.Namespace,
			Labels: map[string]string{
				v1beta1.WarmPoolLabel:     pool.Name,
				v1beta1.TemplateLabel:     template.Name,
				v1beta1.TemplateHashLabel: TemplateHash(template),
			},
		},
		Spec: v1beta1.SandboxSpec{
			PodTemplate:          given.PodTemplate,
			VolumeClaimTemplates: given.VolumeClaimTemplates,
			Service:              given.Service,
		},
	}
}

// prefix begins the names of the members of a pool, and is itself a valid
// generateName, which a name of 63 characters and a dash would not be.
func prefix(pool string) string {
	if len(pool) >= maxPrefix {
		pool = strings.TrimRight(pool[:maxPrefix-1], "-")
	}
	return pool + "-"
}

// hold makes a claim the holder of a Sandbox, on warm and cold starts alike.
func hold(sandbox *v1beta1.Sandbox, claim *v1beta1.SandboxClaim) field.ErrorList {
	sandbox.Spec.ClaimRef = &v1beta1.SandboxClaimReference{Name: claim.Name, UID: claim.UID}
	sandbox.OwnerReferences = slices.DeleteFunc(sandbox.OwnerReferences, func(ref metav1.OwnerReference) bool {
		return ptr.Deref(ref.Controller, false)
	})
	sandbox.OwnerReferences = append(sandbox.OwnerReferences, *metav1.NewControllerRef(claim, v1beta1.SchemeGroupVersion.WithKind("SandboxClaim")))

	extra, pod := &claim.Spec.AdditionalPodMetadata, &sandbox.Spec.PodTemplate.Metadata
	path := field.NewPath("spec", "additionalPodMetadata")
	errs := refuseChanges(pod.Labels, extra.Labels, path.Child("labels"))
	errs = append(errs, refuseChanges(pod.Annotations, extra.Annotations, path.Child("annotations"))...)
	pod.Labels = withKeys(pod.Labels, extra.Labels)
	pod.Annotations = withKeys(pod.Annotations, extra.Annotations)
	sandbox.Labels = withKeys(sandbox.Labels, extra.Labels)
	sandbox.Annotations = withKeys(sandbox.Annotations, extra.Annotations)
	metav1.SetMetaDataLabel(&sandbox.ObjectMeta, v1beta1.ClaimLabel, claim.Name)
	return errs
}

// refuseChanges lets a claim add keys to a Pod but change none: with the labels of
// the podTemplate goes what selects the Pod, such as policies and Services.
func refuseChanges(given, extra map[string]string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		if value, ok := given[key]; ok && value != extra[key] {
			errs = append(errs, field.Invalid(path.Key(key), extra[key],
				fmt.Sprintf("the podTemplate sets it to %q, and a claim may add keys only: use another key", value)))
		}
	}
	return errs
}

// withKeys adds to a map that may be nil. Reserved keys are refused by validation,
// and would be no user's here either.
func withKeys(into, extra map[string]string) map[string]string {
	for key, value := range extra {
		if Reserved(key) {
			continue
		}
		if into == nil {
			into = map[string]string{}
		}
		into[key] = value
	}
	return into
}
