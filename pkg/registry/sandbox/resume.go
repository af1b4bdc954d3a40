// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/validation"
)

// ResumeREST serves POST sandboxes/NAME/resume: the Sandbox becomes Running.
type ResumeREST = ModeREST[*sandbox.ResumeOptions]

func newResumeREST(store *genericregistry.Store) *ResumeREST {
	return &ResumeREST{store: store, modeAction: modeAction[*sandbox.ResumeOptions]{
		kind:          "ResumeOptions",
		mode:          sandbox.SandboxRunning,
		newBody:       func() *sandbox.ResumeOptions { return &sandbox.ResumeOptions{} },
		validate:      validation.ValidateResumeOptions,
		preconditions: func(o *sandbox.ResumeOptions) *metav1.Preconditions { return o.Preconditions },
	}}
}
