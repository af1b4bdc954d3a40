// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/validation"
)

// SuspendREST serves POST sandboxes/NAME/suspend: the Sandbox becomes Suspended.
type SuspendREST = ModeREST[*sandbox.SuspendOptions]

func newSuspendREST(store *genericregistry.Store) *SuspendREST {
	return &SuspendREST{store: store, modeAction: modeAction[*sandbox.SuspendOptions]{
		kind:          "SuspendOptions",
		mode:          sandbox.SandboxSuspended,
		newBody:       func() *sandbox.SuspendOptions { return &sandbox.SuspendOptions{} },
		validate:      validation.ValidateSuspendOptions,
		preconditions: func(o *sandbox.SuspendOptions) *metav1.Preconditions { return o.Preconditions },
	}}
}
