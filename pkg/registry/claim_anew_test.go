// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/registry/rest"
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
