// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	genericoptions "k8s.io/apiserver/pkg/server/options"

	"agents.x-k8s.io/sandbox-apiserver/pkg/admission/podtemplate"
)

// UseAdmission adds to the standard chain what kube-apiserver does not run for
// an aggregated API: object count quotas, and the check of a podTemplate.
func UseAdmission(options *genericoptions.AdmissionOptions) {
	podtemplate.Register(options.Plugins)
	resourcequota.Register(options.Plugins)
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
