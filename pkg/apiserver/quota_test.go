// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	genericoptions "k8s.io/apiserver/pkg/server/options"
)

// The wrapped plugin must still be seen for what it is: the chain asks by interface.
func TestQuotaIsStillInitialized(t *testing.T) {
	options := genericoptions.NewAdmissionOptions()
	UseAdmission(options)
	_, err := options.Plugins.InitPlugin(resourcequota.PluginName, nil, admission.PluginInitializers{})
	assert.ErrorContains(t, err, "missing stopCh", "it says what it lacks")

	quota := &quotaOnce{}
	assert.Implements(t, (*admission.ValidationInterface)(nil), quota)
	assert.Implements(t, (*admission.InitializationValidator)(nil), quota)
	assert.Implements(t, (*initializer.WantsQuotaConfiguration)(nil), quota)
	assert.Implements(t, (*initializer.WantsDrainedNotification)(nil), quota)
	assert.Implements(t, (*initializer.WantsExternalKubeClientSet)(nil), quota)
	assert.Implements(t, (*initializer.WantsExternalKubeInformerFactory)(nil), quota)
}
