// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericoptions "k8s.io/apiserver/pkg/server/options"

	"agents.x-k8s.io/sandbox-apiserver/pkg/admission/podtemplate"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/claim"
)

// UseAdmission adds to the standard chain what kube-apiserver does not run for
// an aggregated API: object count quotas, and the check of a podTemplate.
func UseAdmission(options *genericoptions.AdmissionOptions) {
	podtemplate.Register(options.Plugins)
	registerQuota(options.Plugins)
	options.RecommendedPluginOrder = append(options.RecommendedPluginOrder, podtemplate.PluginName, resourcequota.PluginName)
}

// AdmissionInitializers give the added plugins what they need.
func AdmissionInitializers() []admission.PluginInitializer {
	// Without evaluators every resource is counted, and nothing but counted.
	return []admission.PluginInitializer{quotaInitializer{}}
}

type quotaInitializer struct{}

func (quotaInitializer) Initialize(plugin admission.Interface) {
	if wants, ok := plugin.(initializer.WantsQuotaConfiguration); ok {
		wants.SetQuotaConfiguration(generic.NewConfiguration(nil, nil))
	}
}

// chainAdmission runs the server's own chain for objects that the server makes
// on behalf of a request to another resource.
type chainAdmission struct {
	chain      admission.Interface
	interfaces admission.ObjectInterfaces
}

// Admit implements claim.Admission.
func (a chainAdmission) Admit(ctx context.Context, resource string, obj claim.Object, dryRun bool) (rest.ValidateObjectFunc, error) {
	kinds, _, err := Scheme.ObjectKinds(obj)
	if err != nil {
		return nil, err
	}
	user, _ := request.UserFrom(ctx)
	attributes := admission.NewAttributesRecord(obj, nil, v1beta1.SchemeGroupVersion.WithKind(kinds[0].Kind), request.NamespaceValue(ctx), obj.GetName(),
		v1beta1.SchemeGroupVersion.WithResource(resource), "", admission.Create, &metav1.CreateOptions{}, dryRun, user)
	if mutating, ok := a.chain.(admission.MutationInterface); ok && mutating.Handles(admission.Create) {
		if err := mutating.Admit(ctx, attributes, a.interfaces); err != nil {
			return nil, err
		}
	}
	return rest.AdmissionToValidateObjectFunc(a.chain, attributes, a.interfaces), nil
}
