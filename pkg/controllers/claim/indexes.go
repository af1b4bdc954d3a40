// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// The indexes have the controller's name in theirs, since informers are shared.
const (
	// byClaim finds Sandboxes by the claim that they name.
	byClaim = name + "/claim"
	// byPool finds the available Sandboxes of a pool.
	byPool = name + "/pool"
	// byWaiting finds waiting claims by their pool.
	byWaiting = name + "/waiting"
)

// addIndexes is for the first term; the indexes stay.
func (c *Controller) addIndexes() error {
	if c.indexed {
		return nil
	}
	for _, index := range []struct {
		name     string
		informer cache.SharedIndexInformer
		keys     cache.IndexFunc
	}{
		{byClaim, c.Sandboxes.Informer(), keyed(claimKey)},
		{byPool, c.Sandboxes.Informer(), keyed(func(s *v1beta1.Sandbox) (worker.Key, bool) { return poolKey(s), available(s) })},
		{byWaiting, c.Claims.Informer(), keyed(func(c *v1beta1.SandboxClaim) (worker.Key, bool) { return wantedPool(c), waits(c) })},
	} {
		if err := index.informer.AddIndexers(cache.Indexers{index.name: index.keys}); err != nil {
			return fmt.Errorf("adding index %q: %w", index.name, err)
		}
	}
	c.indexed = true
	return nil
}

// keyed is an index of the objects that have a key.
func keyed[T any](key func(T) (worker.Key, bool)) cache.IndexFunc {
	return func(obj any) ([]string, error) {
		object, ok := obj.(T)
		if !ok {
			return nil, nil
		}
		if k, has := key(object); has {
			return []string{k.String()}, nil
		}
		return nil, nil
	}
}

// indexed are the objects of an index; they belong to the cache.
func indexed[T any](informer cache.SharedIndexInformer, index string, key worker.Key) []T {
	objects, err := informer.GetIndexer().ByIndex(index, key.String())
	if err != nil { // only an index that was never added fails
		return nil
	}
	typed := make([]T, 0, len(objects))
	for _, obj := range objects {
		if object, ok := obj.(T); ok {
			typed = append(typed, object)
		}
	}
	return typed
}

// namingClaim are the Sandboxes that name a claim, of whatever UID.
func (c *Controller) namingClaim(claim worker.Key) []*v1beta1.Sandbox {
	return indexed[*v1beta1.Sandbox](c.Sandboxes.Informer(), byClaim, claim)
}

func (c *Controller) availableAt(pool *v1beta1.SandboxWarmPool) []*v1beta1.Sandbox {
	var members []*v1beta1.Sandbox
	for _, sandbox := range indexed[*v1beta1.Sandbox](c.Sandboxes.Informer(), byPool, cache.MetaObjectToName(pool)) {
		if metav1.IsControlledBy(sandbox, pool) && !c.Withheld(sandbox.CreationTimestamp.Time) {
			members = append(members, sandbox)
		}
	}
	return members
}

func (c *Controller) waitingAt(pool worker.Key) []*v1beta1.SandboxClaim {
	return indexed[*v1beta1.SandboxClaim](c.Claims.Informer(), byWaiting, pool)
}

// claimKey is the claim that a Sandbox names.
func claimKey(sandbox *v1beta1.Sandbox) (worker.Key, bool) {
	if sandbox.Spec.ClaimRef == nil {
		return worker.Key{}, false
	}
	return worker.Key{Namespace: sandbox.Namespace, Name: sandbox.Spec.ClaimRef.Name}, true
}

// poolKey is the pool that a Sandbox was made for. It is a name from the Sandbox;
// membership is a matter of UIDs.
func poolKey(sandbox *v1beta1.Sandbox) worker.Key {
	owner := metav1.GetControllerOfNoCopy(sandbox)
	if owner == nil || owner.Kind != poolKind {
		return worker.Key{}
	}
	return worker.Key{Namespace: sandbox.Namespace, Name: owner.Name}
}

// wantedPool is the pool that a claim is for.
func wantedPool(claim *v1beta1.SandboxClaim) worker.Key {
	return worker.Key{Namespace: claim.Namespace, Name: claim.Spec.WarmPoolRef.Name}
}
