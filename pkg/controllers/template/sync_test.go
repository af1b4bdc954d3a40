// SPDX-License-Identifier: Apache-2.0

package template

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

var policies = schema.GroupResource{Group: "networking.k8s.io", Resource: "networkpolicies"}

func TestNetworkPolicyIsMadeAndKept(t *testing.T) {
	h := newSyncedHarness(t, newTemplate())
	assert.Zero(t, h.mustSync())
	assert.Equal(t, []string{"create networkpolicies"}, h.writes())
	assert.Equal(t, render.NetworkPolicy(newTemplate()).Spec, h.policy().Spec)
	assert.Equal(t, "True/NetworkPolicyInPlace", h.ready())

	h.cache(h.stored(), h.policy())
	h.kube.ClearActions()
	h.own.ClearActions()
	assert.Zero(t, h.mustSync())
	assert.Empty(t, h.kube.Actions())
	assert.Empty(t, h.own.Actions(), "no status is written that says the same")
}

func TestNetworkPolicyIsRepaired(t *testing.T) {
	h := newSyncedHarness(t, newTemplate(ownRules), newPolicy(opened))
	h.mustSync()
	assert.Equal(t, []string{"update networkpolicies"}, h.writes())
	assert.Equal(t, render.NetworkPolicy(newTemplate(ownRules)).Spec, h.policy().Spec)
	assert.Equal(t, int64(3), h.stored().Status.Conditions[0].ObservedGeneration)
}

func TestUnmanaged(t *testing.T) {
	h := newSyncedHarness(t, newTemplate(unmanagedTemplate), newPolicy(), newPod("python"))
	h.mustSync()
	assert.Equal(t, []string{"delete networkpolicies uid=uid-policy rv=70"}, h.writes())
	assert.Nil(t, h.policy())
	assert.Equal(t, "True/NetworkPolicyUnmanaged", h.ready())

	h = newSyncedHarness(t, newTemplate(unmanagedTemplate), newPolicy(stranger))
	h.mustSync()
	assert.Empty(t, h.writes(), "a foreign one is not ours to delete")
	assert.Equal(t, "True/NetworkPolicyUnmanaged", h.ready())
}

// What a foreign NetworkPolicy looks like: no cache has it, the API server refuses the name.
func TestForeignNetworkPolicy(t *testing.T) {
	h := newHarness(t, newTemplate(), newPolicy(stranger)).cache(newTemplate())

	assert.Equal(t, conflictRetry, h.mustSync())
	assert.Equal(t, []string{"create networkpolicies"}, h.writes(), "tried, refused, and nothing else")
	assert.Equal(t, newPolicy(stranger).Labels, h.policy().Labels)
	assert.Equal(t, "False/NameConflict", h.ready())
	assert.Len(t, h.events.Events, 1)

	h.cache(h.stored())
	h.kube.ClearActions()
	assert.Equal(t, conflictRetry, h.mustSync())
	assert.Empty(t, h.writes(), "the second time it looks before it tries")
	assert.Len(t, h.events.Events, 1, "said once")

	require.NoError(t, h.kube.Tracker().Delete(networkingv1.SchemeGroupVersion.WithResource("networkpolicies"), "team", "sandbox-template-python"))
	assert.Zero(t, h.mustSync())
	assert.Equal(t, []string{"create networkpolicies"}, h.writes())
	assert.Equal(t, "True/NetworkPolicyInPlace", h.ready())
}

// One of ours that the cache has not seen, as after somebody took its label away.
func TestOwnNetworkPolicyUnknownToTheCache(t *testing.T) {
	hidden := newPolicy(func(p *networkingv1.NetworkPolicy) { delete(p.Labels, v1beta1.SandboxNameLabel) })
	h := newHarness(t, newTemplate(), hidden).cache(newTemplate())
	assert.Zero(t, h.mustSync())
	assert.Equal(t, []string{"create networkpolicies", "update networkpolicies"}, h.writes())
	assert.Contains(t, h.policy().Labels, v1beta1.SandboxNameLabel)
	assert.Equal(t, "True/NetworkPolicyInPlace", h.ready())
}

// The network of what still runs must not open because its template is gone.
func TestTemplateIsGone(t *testing.T) {
	tests := map[string]struct {
		live, cached []runtime.Object
		want         []string
	}{
		"nobody is left":                     {nil, nil, []string{"delete networkpolicies uid=uid-policy rv=70"}},
		"a Sandbox, perhaps a suspended one": {[]runtime.Object{newSandbox("python")}, []runtime.Object{newSandbox("python")}, nil},
		"a Pod":                              {[]runtime.Object{newPod("python")}, []runtime.Object{newPod("python")}, nil},
		"a Sandbox, not yet in the cache":    {[]runtime.Object{newSandbox("python")}, nil, nil},
		"a Pod, not yet in the cache":        {[]runtime.Object{newPod("python")}, nil, nil},
		"the template, not yet in the cache": {[]runtime.Object{newTemplate()}, nil, nil},
		"those of another template":          {[]runtime.Object{newSandbox("ruby"), newPod("ruby")}, []runtime.Object{newSandbox("ruby"), newPod("ruby")}, []string{"delete networkpolicies uid=uid-policy rv=70"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, append(test.live, newPolicy())...).cache(append(test.cached, newPolicy())...)
			assert.Zero(t, h.mustSync())
			assert.Equal(t, test.want, h.writes())
		})
	}
}

// A cache that is behind must neither take a NetworkPolicy away nor make one.
func TestTheLiveTemplateDecides(t *testing.T) {
	h := newHarness(t, newTemplate(), newPolicy()).cache(newTemplate(unmanagedTemplate), newPolicy())
	h.mustSync()
	assert.Empty(t, h.writes(), "Managed by now")
	assert.Equal(t, "True/NetworkPolicyInPlace", h.ready())

	h = newHarness(t).cache(newTemplate())
	h.mustSync()
	assert.Empty(t, h.writes(), "gone by now")
}

func TestRefused(t *testing.T) {
	h := newSyncedHarness(t, newTemplate())
	h.refuse("create", "networkpolicies", apierrors.NewForbidden(policies, "x", errors.New("exceeded quota")))
	_, err := h.sync(t.Context(), python)
	require.Error(t, err, "tried again with back-off")
	assert.Equal(t, "False/ReconcilerError", h.ready())
	assert.Contains(t, h.stored().Status.Conditions[0].Message, "exceeded quota")
}

func TestUnreadable(t *testing.T) {
	h := newSyncedHarness(t, newTemplate(withReason(metav1.ConditionFalse, v1beta1.ReasonNameConflict)))
	h.refuse("get", "networkpolicies", apierrors.NewInternalError(errors.New("etcd is away")))
	_, err := h.sync(t.Context(), python)
	require.Error(t, err)
	assert.Empty(t, h.writes())
	assert.Equal(t, "False/ReconcilerError", h.ready())
}

// Whether Pods are left must be known for sure.
func TestUnlistable(t *testing.T) {
	h := newSyncedHarness(t, newPolicy())
	h.refuse("list", "pods", apierrors.NewInternalError(errors.New("etcd is away")))
	_, err := h.sync(t.Context(), python)
	require.Error(t, err)
	assert.Empty(t, h.writes())
}

func TestTerminatingNamespaceIsHarmless(t *testing.T) {
	h := newSyncedHarness(t, newTemplate())
	refused := apierrors.NewForbidden(policies, "x", errors.New("namespace team is being terminated"))
	refused.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	h.refuse("create", "networkpolicies", refused)
	assert.Zero(t, h.mustSync())
	assert.Equal(t, "False/DependenciesNotReady", h.ready(), "no Pod either")
}

// The worker tries a conflict again without complaint; nothing is said in status.
func TestConflictIsQuiet(t *testing.T) {
	for verb, objects := range map[string][]runtime.Object{
		"update": {newTemplate(), newPolicy(opened)},
		"delete": {newTemplate(unmanagedTemplate), newPolicy()},
	} {
		h := newSyncedHarness(t, objects...)
		h.refuse(verb, "networkpolicies", apierrors.NewConflict(policies, "x", errors.New("changed")))
		_, err := h.sync(t.Context(), python)
		assert.True(t, apierrors.IsConflict(err), verb)
		assert.Empty(t, h.ready(), verb)
	}
}

func TestLostRaces(t *testing.T) {
	h := newSyncedHarness(t, newTemplate())
	h.refuse("create", "networkpolicies", apierrors.NewAlreadyExists(policies, "x"))
	assert.Equal(t, lostRaceRetry, h.mustSync(), "made and deleted between two looks")
	assert.Empty(t, h.ready())

	h = newHarness(t, newTemplate(unmanagedTemplate)).cache(newTemplate(unmanagedTemplate), newPolicy())
	assert.Zero(t, h.mustSync(), "what is gone needs no deleting")
	assert.Equal(t, "True/NetworkPolicyUnmanaged", h.ready())
}

func TestEndOfTermSaysNothing(t *testing.T) {
	h := newSyncedHarness(t, newTemplate())
	ctx, cancel := context.WithCancel(t.Context())
	h.kube.PrependReactor("create", "networkpolicies", func(clienttesting.Action) (bool, runtime.Object, error) {
		cancel()
		return true, nil, ctx.Err()
	})
	_, err := h.sync(ctx, python)
	require.Error(t, err)
	assert.Empty(t, h.ready())
}

func TestConditionFlipsOnce(t *testing.T) {
	h := newSyncedHarness(t, newTemplate(withReason(metav1.ConditionTrue, reasonInPlace)), newPolicy())
	h.mustSync()
	condition := meta.FindStatusCondition(h.stored().Status.Conditions, v1beta1.ConditionNetworkPolicyReady)
	assert.Equal(t, int64(3), condition.ObservedGeneration, "a new generation was looked at")
	assert.True(t, condition.LastTransitionTime.Time.Before(now), "and nothing flipped")
}
