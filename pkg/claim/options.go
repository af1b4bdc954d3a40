// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/warmindex"
)

// Store is what a claim needs of a resource's registry store. Both of a joined
// write must be opened by one transaction.Backend.
type Store interface {
	rest.Getter
	rest.Updater
	Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error)
}

// Options are what a Claimer works with.
type Options struct {
	// Claims stores new claims; its BeginCreate hook is Begin.
	Claims Store
	// ClaimStatus updates the status of a stored claim.
	ClaimStatus Store
	// Sandboxes writes Sandboxes under the strategy for claims, which may set claimRef.
	Sandboxes Store
	// Pools and Templates are read.
	Pools, Templates rest.Getter
	// Index knows what is available.
	Index *warmindex.Index[*v1beta1.Sandbox]
	// Admission checks the Sandboxes that claims start cold, and claims that come
	// through another resource's action.
	Admission Admission
	// Defaulter fills what a template leaves open, as for any Sandbox.
	Defaulter runtime.ObjectDefaulter
	// ClusterDomain ends the DNS names of Services.
	ClusterDomain string
	// Withheld says whether a Sandbox of a pool that was made at that time is given to
	// nobody, since somebody may use it.
	Withheld func(made time.Time) bool
	// Now is the clock.
	Now func() time.Time
}

// Admission runs the admission chain for an object that no client posted to its
// own resource, in the name of the user of the request.
type Admission interface {
	// Admit mutates the object and returns what validates it at the store.
	Admit(ctx context.Context, resource string, obj Object, dryRun bool) (rest.ValidateObjectFunc, error)
}

// Object is a hub object.
type Object interface {
	runtime.Object
	metav1.Object
}
