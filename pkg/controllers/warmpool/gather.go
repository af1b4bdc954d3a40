// SPDX-License-Identifier: Apache-2.0

package warmpool

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/worker"
)

// lostAfter is when a creation that nobody has seen is looked for in a list. It is
// longer than the API server works on any request (a minute), so what is not in a
// list taken then never comes.
const lostAfter = 2 * time.Minute

// byPool is the index of Sandboxes by the UID of the pool they belong to.
const byPool = "sandboxwarmpool"

func indexByPool(obj any) ([]string, error) {
	sandbox, ok := obj.(*v1beta1.Sandbox)
	if !ok {
		return nil, nil
	}
	ref := metav1.GetControllerOfNoCopy(sandbox)
	if ref == nil || !isPool(ref) {
		return nil, nil
	}
	return []string{string(ref.UID)}, nil
}

// gather reads the caches, and what this term knows beyond them.
func (c *Controller) gather(run *pass) (observed, error) {
	seen := observed{
		replicas:     int(ptr.Deref(run.pool.Spec.Replicas, 1)),
		strategy:     run.pool.Spec.UpdateStrategy,
		replacements: run.memory.replacements,
	}
	template, err := found(c.TemplateInformer.Lister().SandboxTemplates(run.pool.Namespace).Get(run.pool.Spec.SandboxTemplateRef.Name))
	if err != nil {
		return seen, fmt.Errorf("reading the template of pool %q: %w", run.pool.Name, err)
	}
	if template != nil {
		seen.blueprint = blueprint{template, render.TemplateHash(template)}
	}
	c.expectations.settle(run.key, run.now)
	expected := c.expectations.of(run.key) // before the cache, see there
	if err := c.gatherMembers(run, &seen, expected); err != nil {
		return seen, err
	}
	for name, creation := range expected {
		if creation.sure || creation.seen {
			seen.sure++
		} else {
			seen.unsure = append(seen.unsure, name)
		}
		if seen.oldest.IsZero() || creation.since.Before(seen.oldest) {
			seen.oldest = creation.since
		}
	}
	slices.Sort(seen.unsure)
	return seen, nil
}

// gatherMembers leaves out what has been deleted, whether the cache knows or not. What
// it meets in the cache is not expected any more. But a member that is about to go
// stays expected if a late request may make it again.
func (c *Controller) gatherMembers(run *pass, seen *observed, expected map[string]creation) error {
	sandboxes, err := c.SandboxInformer.Informer().GetIndexer().ByIndex(byPool, string(run.pool.UID))
	if err != nil {
		return fmt.Errorf("reading the Sandboxes of pool %q: %w", run.pool.Name, err)
	}
	unseen := sets.New[types.UID]()
	for _, obj := range sandboxes {
		sandbox, ok := obj.(*v1beta1.Sandbox)
		if !ok || sandbox.Namespace != run.pool.Namespace {
			continue
		}
		gone := run.memory.deleted.Has(sandbox.UID) && sandbox.DeletionTimestamp == nil
		if gone {
			unseen.Insert(sandbox.UID)
		}
		counts := !gone && isMember(sandbox, run.pool) && sandbox.DeletionTimestamp == nil
		mayReturn := expected[sandbox.Name].doubtful
		if counts || !mayReturn {
			delete(expected, sandbox.Name)
		}
		if counts {
			m := memberOf(sandbox, seen.blueprint, run.now)
			m.mayReturn = mayReturn
			seen.members = append(seen.members, m)
		}
	}
	run.memory.deleted = unseen
	return nil
}

func (c *Controller) inCache(sandbox worker.Key) bool {
	_, err := c.SandboxInformer.Lister().Sandboxes(sandbox.Namespace).Get(sandbox.Name)
	return err == nil
}

// survey takes a consistent list of the pool's Sandboxes. What it has and the cache
// has not is expected from now on; what was expected for long and is not there, no more.
//
// The list is by label, for there is no selector by owner. Somebody may have taken
// the label off a member; then only the cache, which is by owner, counts it.
func (c *Controller) survey(ctx context.Context, run *pass) error {
	expected := c.expectations.of(run.key)
	list, err := c.Sandboxes.Sandboxes(run.pool.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labels.Set{v1beta1.WarmPoolLabel: run.pool.Name}.String(),
	})
	if err != nil {
		return fmt.Errorf("listing the Sandboxes of pool %q: %w", run.pool.Name, err)
	}
	for i := range list.Items {
		sandbox := &list.Items[i]
		delete(expected, sandbox.Name)
		counts := isMember(sandbox, run.pool) && sandbox.DeletionTimestamp == nil
		if counts {
			c.expectations.found(run.key, sandbox.Name, run.now)
		}
		// The cache is looked at afterwards, or an event meanwhile could be missed.
		if key := cache.MetaObjectToName(sandbox); !counts || c.inCache(key) {
			c.expectations.observed(key)
		}
	}
	for name, creation := range expected {
		if run.now.Sub(creation.since) >= lostAfter {
			c.expectations.lost(run.key, name)
		}
	}
	run.memory.listed = true
	return nil
}

// found turns "not found" into nil.
func found[T any](obj *T, err error) (*T, error) {
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return obj, nil
	}
}
