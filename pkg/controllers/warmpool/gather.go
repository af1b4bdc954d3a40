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
		early:        c.Withheld(run.now),
	}
	template, err := found(c.TemplateInformer.Lister().SandboxTemplates(run.pool.Namespace).Get(run.pool.Spec.SandboxTemplateRef.Name))
	if err != nil {
		return seen, fmt.Errorf("reading the template of pool %q: %w", run.pool.Name, err)
	}
	if template != nil {
		seen.blueprint = blueprint{template, render.TemplateHash(template)}
	}
	expected := c.expectations.of(run.key) // before the cache, see there
	if err := c.gatherMembers(run, &seen, expected); err != nil {
		return seen, err
	}
	for name, creation := range expected {
		if creation.sure() {
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

// gatherMembers leaves out what has been deleted, whether the cache knows or not, and only
// counts what is withheld: no plan ever knows which those are. What
// it meets in the cache is not expected any more, unless it is on its way out and a
// late request may make it again.
func (c *Controller) gatherMembers(run *pass, seen *observed, expected map[string]creation) error {
	sandboxes, err := c.SandboxInformer.Informer().GetIndexer().ByIndex(byPool, string(run.pool.UID))
	if err != nil {
		return fmt.Errorf("reading the Sandboxes of pool %q: %w", run.pool.Name, err)
	}
	unseen := sets.New[types.UID]()
	seen.members = make([]member, 0, len(sandboxes))
	for _, obj := range sandboxes {
		sandbox, ok := obj.(*v1beta1.Sandbox)
		if !ok || !isMember(sandbox, run.pool) {
			continue
		}
		here := sandbox.DeletionTimestamp == nil
		if c.Withheld(sandbox.CreationTimestamp.Time) {
			if here {
				seen.withheld++
			}
			continue
		}
		if here && run.memory.deleted.Has(sandbox.UID) {
			unseen.Insert(sandbox.UID)
			here = false
		}
		asked := expected[sandbox.Name]
		if here || !asked.doubtful && asked.uid == sandbox.UID {
			delete(expected, sandbox.Name)
		}
		if here {
			m := memberOf(sandbox, seen.blueprint, run.now)
			m.mayReturn = asked.doubtful
			seen.members = append(seen.members, m)
		}
	}
	run.memory.deleted = unseen
	return nil
}

// survey takes a consistent list of the pool's Sandboxes. What it has and the cache
// has not is expected from now on; what it has not, no more.
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
		if !isMember(sandbox, run.pool) || sandbox.DeletionTimestamp != nil || c.Withheld(sandbox.CreationTimestamp.Time) {
			continue
		}
		delete(expected, sandbox.Name)
		c.expectations.listed(run.key, sandbox, run.now)
		if c.inCache(sandbox) { // looked at afterwards, or its event could be missed
			c.expectations.observed(cache.MetaObjectToName(sandbox), sandbox.UID)
		}
	}
	for name := range expected {
		c.expectations.unlisted(run.key, name, run.now)
	}
	run.memory.listed = true
	return nil
}

func (c *Controller) inCache(sandbox *v1beta1.Sandbox) bool {
	cached, err := c.SandboxInformer.Lister().Sandboxes(sandbox.Namespace).Get(sandbox.Name)
	return err == nil && cached.UID == sandbox.UID
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
