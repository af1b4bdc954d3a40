// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"k8s.io/component-base/metrics/legacyregistry"

	"agents.x-k8s.io/sandbox-apiserver/pkg/census"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers"
)

// countSandboxes reports on every replica how many Sandboxes are in which state.
func countSandboxes(d controllers.Dependencies) error {
	counts := census.New()
	// Another server of this process may have registered its own before.
	_ = legacyregistry.CustomRegister(counts)
	return counts.Attach(d.Own.Sandbox().V1beta1().Sandboxes().Informer())
}
