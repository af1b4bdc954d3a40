// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// TestClaimAfterDeletionIsNew: a claim that has been deleted is no answer, however late
// the watch cache hears of it.
func TestClaimAfterDeletionIsNew(t *testing.T) {
	s := withPool(t)
	last, err := s.claim("sandboxwarmpools/claim", "python", newClaim("mine"))
	require.NoError(t, err)
	for range 50 {
		_, _, err := s.storage["sandboxclaims"].(rest.GracefulDeleter).Delete(s.on("sandboxclaims"), "mine", rest.ValidateAllObjectFunc, &metav1.DeleteOptions{})
		require.NoError(t, err)
		next, err := s.claim("sandboxwarmpools/claim", "python", newClaim("mine"))
		require.NoError(t, err)
		require.NotEqual(t, last.UID, next.UID, "the answer is a claim that is gone")
		last = next
	}
}

// TestColdStartHasTheTemplateOfNow: whoever changes a template and then claims gets
// what was changed, however late the watch cache hears of it.
func TestColdStartHasTheTemplateOfNow(t *testing.T) {
	s := withPool(t)
	for i := range 50 {
		image := fmt.Sprintf("agent:%d", i)
		_, err := update(s, "sandboxtemplates", "python", func(o *sandbox.SandboxTemplate) { o.Spec.PodTemplate.Spec.Containers[0].Image = image })
		require.NoError(t, err)
		answer, err := s.claim("sandboxclaims", "", newClaim(fmt.Sprintf("mine-%d", i)))
		require.NoError(t, err)
		made := read[*sandbox.Sandbox](s, "sandboxes", answer.Status.Sandbox.Name)
		require.Equal(t, image, made.Spec.PodTemplate.Spec.Containers[0].Image)
	}
}
