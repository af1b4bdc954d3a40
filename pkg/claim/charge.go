// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

type chargesKey struct{}

// charges are the resources that one claim has been counted for.
type charges struct {
	mu   sync.Mutex
	done map[schema.GroupResource]bool
}

// withCharges begins a claim: its attempts are admitted one by one, but counted once.
func withCharges(ctx context.Context) context.Context {
	return context.WithValue(ctx, chargesKey{}, &charges{done: map[schema.GroupResource]bool{}})
}

// ChargeOnce runs charge, which counts one object of the resource against a
// quota, unless it has succeeded for the claim that ctx belongs to: a claim makes
// at most one object of a resource, however many attempts it takes. Outside a
// claim it always runs charge.
func ChargeOnce(ctx context.Context, resource schema.GroupResource, charge func() error) error {
	c, ok := ctx.Value(chargesKey{}).(*charges)
	if !ok {
		return charge()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done[resource] {
		return nil
	}
	if err := charge(); err != nil {
		return err
	}
	c.done[resource] = true
	return nil
}
