// SPDX-License-Identifier: Apache-2.0

package template

import (
	"testing"

	"github.com/stretchr/testify/assert"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

func TestDecide(t *testing.T) {
	see := func(policy *networkingv1.NetworkPolicy) observed { return observed{policy: policy} }
	foreign := plan{state: conflict, detail: `NetworkPolicy "sandbox-template-python" exists and was not made for this template: it is left alone; delete it, or set networkPolicyManagement to Unmanaged`, requeueAfter: conflictRetry}
	tests := map[string]struct {
		template *v1beta1.SandboxTemplate
		seen     observed
		want     plan
	}{
		"made":                    {newTemplate(), see(nil), plan{state: inPlace, policy: create}},
		"made, without defaults":  {newTemplate(func(t *v1beta1.SandboxTemplate) { t.Spec.NetworkPolicyManagement = "" }), see(nil), plan{state: inPlace, policy: create}},
		"in place":                {newTemplate(), see(newPolicy()), plan{state: inPlace}},
		"new rules":               {newTemplate(ownRules), see(newPolicy()), plan{state: inPlace, policy: repair}},
		"somebody opened it":      {newTemplate(), see(newPolicy(opened)), plan{state: inPlace, policy: repair}},
		"somebody turned it away": {newTemplate(), see(newPolicy(func(p *networkingv1.NetworkPolicy) { p.Spec.PodSelector = metav1.LabelSelector{} })), plan{state: inPlace, policy: repair}},
		"only half of it applies": {newTemplate(), see(newPolicy(func(p *networkingv1.NetworkPolicy) { p.Spec.PolicyTypes = p.Spec.PolicyTypes[:1] })), plan{state: inPlace, policy: repair}},
		"somebody hid it":         {newTemplate(), see(newPolicy(func(p *networkingv1.NetworkPolicy) { delete(p.Labels, v1beta1.SandboxNameLabel) })), plan{state: inPlace, policy: repair}},
		"metadata of others": {newTemplate(), see(newPolicy(func(p *networkingv1.NetworkPolicy) {
			p.Labels["app"], p.Annotations = "x", map[string]string{"note": "x"}
		})), plan{state: inPlace}},
		"it is going":                       {newTemplate(), see(newPolicy(terminating)), plan{state: waiting, detail: `NetworkPolicy "sandbox-template-python" is being deleted`}},
		"a foreign one":                     {newTemplate(), see(newPolicy(stranger)), foreign},
		"one that somebody controls":        {newTemplate(), see(newPolicy(controlled)), foreign},
		"Unmanaged":                         {newTemplate(unmanagedTemplate), see(nil), plan{state: unmanaged}},
		"Unmanaged from now on":             {newTemplate(unmanagedTemplate), see(newPolicy()), plan{state: unmanaged, policy: remove}},
		"Unmanaged, it is going":            {newTemplate(unmanagedTemplate), see(newPolicy(terminating)), plan{state: unmanaged}},
		"Unmanaged, foreign":                {newTemplate(unmanagedTemplate), see(newPolicy(stranger)), plan{state: unmanaged}},
		"gone":                              {nil, see(nil), plan{state: gone}},
		"gone, nobody is left":              {nil, see(newPolicy()), plan{state: gone, policy: remove}},
		"gone, a Pod may still run":         {nil, observed{policy: newPolicy(), used: true}, plan{state: gone}},
		"gone, a foreign one":               {nil, see(newPolicy(stranger)), plan{state: gone}},
		"gone, it is going":                 {nil, see(newPolicy(terminating)), plan{state: gone}},
		"gone, of another template's label": {nil, see(newPolicy(func(p *networkingv1.NetworkPolicy) { p.Labels[v1beta1.TemplateLabel] = "ruby" })), plan{state: gone}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, decide("python", test.template, test.seen))
		})
	}
}

func controlled(p *networkingv1.NetworkPolicy) {
	p.OwnerReferences = []metav1.OwnerReference{{UID: "uid-x", Controller: ptr.To(true)}}
}

// The API server adds nothing to what is rendered, or every sync would repair it.
func TestRepairedIsInPlace(t *testing.T) {
	for _, template := range []*v1beta1.SandboxTemplate{newTemplate(), newTemplate(ownRules)} {
		current := newPolicy(opened, func(p *networkingv1.NetworkPolicy) {
			p.Labels["app"] = "x"
			delete(p.Labels, v1beta1.SandboxNameLabel)
		})
		before := current.DeepCopy()

		after := repaired(current, render.NetworkPolicy(template))

		assert.Equal(t, before, current, "it may belong to the cache")
		assert.Equal(t, plan{state: inPlace}, decide("python", template, observed{policy: after}))
		assert.Equal(t, "x", after.Labels["app"])
		assert.Equal(t, "70", after.ResourceVersion, "the precondition of the update")
	}
}
