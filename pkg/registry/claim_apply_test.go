// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// apply does what server-side apply of the claim "mine" does: an update that creates
// what is not there.
func (s *served) apply(body *sandbox.SandboxClaim, meanwhile func(), dryRun ...string) (*sandbox.SandboxClaim, bool, error) {
	s.Helper()
	info := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		stored := old.DeepCopyObject().(*sandbox.SandboxClaim)
		if stored.UID == "" {
			meanwhile()
			return body.DeepCopy(), nil
		}
		stored.Labels = body.Labels
		return stored, nil
	})
	const allowCreate = true
	obj, created, err := s.storage["sandboxclaims"].(rest.Updater).Update(s.on("sandboxclaims"), "mine", info,
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, allowCreate, &metav1.UpdateOptions{DryRun: dryRun})
	if err != nil {
		return nil, created, err
	}
	return obj.(*sandbox.SandboxClaim), created, nil
}

func TestAppliedClaimIsAnsweredReady(t *testing.T) {
	s := withPool(t)
	s.warm("one")
	nothing := func() {}
	before := s.revision()
	rehearsed, created, err := s.apply(newClaim("mine"), nothing, metav1.DryRunAll)
	require.NoError(t, err)
	assert.True(t, created)
	assert.Equal(t, "one", rehearsed.Status.Sandbox.Name)
	assert.Equal(t, before, s.revision())

	body := newClaim("mine")
	body.UID, body.Status.Sandbox = "", &sandbox.ClaimedSandbox{Name: "forged"}
	answer, created, err := s.apply(body, nothing)
	require.NoError(t, err)
	assert.True(t, created)
	assert.Equal(t, before+1, s.revision(), "one transaction")
	assert.True(t, meta.IsStatusConditionTrue(answer.Status.Conditions, v1beta1.ConditionReady))
	assert.Equal(t, answer.UID, read[*sandbox.Sandbox](s, "sandboxes", answer.Status.Sandbox.Name).Spec.ClaimRef.UID)

	labelled := newClaim("mine")
	labelled.Labels = map[string]string{"team": "red"}
	again, created, err := s.apply(labelled, nothing)
	require.NoError(t, err)
	assert.False(t, created)
	assert.Equal(t, "red", again.Labels["team"])
	assert.Equal(t, answer.Status, again.Status)
}

func TestAppliedClaimThatSomebodyElseMakesMeanwhile(t *testing.T) {
	s := withPool(t)
	s.warm("one")
	s.warm("two")
	body := newClaim("mine")
	body.Labels = map[string]string{"team": "red"}
	answer, created, err := s.apply(body, func() { create(s, "sandboxclaims", newClaim("mine")) })
	require.NoError(t, err)
	assert.False(t, created)
	assert.Equal(t, "red", answer.Labels["team"])
	assert.Equal(t, 1, s.index.Len(pythonPool), "one Sandbox is drawn")
}

func TestAppliedClaimIsRefusedLikeAPostedOne(t *testing.T) {
	s := withPool(t)
	body := newClaim("mine")
	body.Spec.OnEmptyPool = sandbox.OnEmptyPoolReject
	_, _, err := s.apply(body, func() {})
	assert.True(t, apierrors.IsTooManyRequests(err), "%v", err)
	_, _, err = s.apply(newClaim("yours"), func() {})
	assert.True(t, apierrors.IsBadRequest(err), "%v", err)
}
