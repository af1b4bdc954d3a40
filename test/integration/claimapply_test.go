// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	applyv1beta1 "agents.x-k8s.io/sandbox-apiserver/pkg/generated/applyconfiguration/sandbox/v1beta1"
)

// TestAppliedClaim: what GitOps sends is answered like what kubectl create sends, and
// needs the same right.
func TestAppliedClaim(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	newPool(ns, 1)
	body := applyv1beta1.SandboxClaim("mine", ns.Name).
		WithSpec(applyv1beta1.SandboxClaimSpec().WithWarmPoolRef(applyv1beta1.SandboxWarmPoolReference().WithName("python")))

	user := ns.Name + "-patcher"
	ns.MustKubectl("", "create", "role", "patcher", "--verb=get,patch", "--resource=sandboxclaims.sandbox.agents.x-k8s.io")
	ns.MustKubectl("", "create", "rolebinding", "patcher", "--role=patcher", "--user="+user)
	ns.Eventually("the role counts", func() error {
		_, err := ns.Kubectl("", "auth", "can-i", "patch", "sandboxclaims.sandbox.agents.x-k8s.io", "--as", user)
		return err
	})
	_, err := env.As(t, user).SandboxV1beta1().SandboxClaims(ns.Name).Apply(t.Context(), body, by("gitops"))
	assert.True(t, apierrors.IsForbidden(err), "%v", err)
	_, err = ns.Claims().Get(t.Context(), "mine", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "%v", err)

	applied, err := ns.Claims().Apply(t.Context(), body, by("gitops"))
	require.NoError(t, err)
	assert.True(t, meta.IsStatusConditionTrue(applied.Status.Conditions, v1beta1.ConditionReady))
	require.NotNil(t, applied.Status.Sandbox)
	assert.Equal(t, v1beta1.LaunchWarm, applied.Status.Sandbox.LaunchType)
	again, err := ns.Claims().Apply(t.Context(), body, by("gitops"))
	require.NoError(t, err)
	assert.Equal(t, applied.ResourceVersion, again.ResourceVersion, "the same again is no write")
	assert.NotContains(t, fieldsOf(again, "gitops", ""), "f:status")
}
