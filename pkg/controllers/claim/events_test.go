// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestTransitions(t *testing.T) {
	over := ending(-time.Hour, retain)
	tests := map[string]struct {
		claim *v1beta1.SandboxClaim
		seen  observed
		want  []string
	}{
		"nothing":               {newClaim(), see(newSandbox()), nil},
		"cold, on its way":      {newClaim(cold), see(newSandbox(notReady(v1beta1.ReasonDependenciesNotReady, ""))), nil},
		"cold, up":              {newClaim(cold), see(newSandbox()), []string{"Normal Ready"}},
		"no longer Ready":       {newClaim(), see(newSandbox(notReady(v1beta1.ReasonSandboxSuspended, ""))), nil},
		"expired":               {newClaim(over), see(newSandbox()), []string{"Normal Expired"}},
		"still expired":         {newClaim(over, expired), see(newSandbox()), nil},
		"lost":                  {newClaim(), see(), []string{"Warning SandboxLost"}},
		"lost and expired":      {newClaim(over), see(), []string{"Normal Expired", "Warning SandboxLost"}},
		"waiting":               {newClaim(inQueue), see(newPool(), newTemplate()), nil},
		"waiting, pool gone":    {newClaim(inQueue), see(), []string{"Warning PoolNotFound"}},
		"waiting, no template":  {newClaim(inQueue), see(newPool()), []string{"Warning TemplateNotFound"}},
		"first seen, waiting":   {newClaim(inQueue, wiped), see(newPool(), newTemplate()), nil},
		"first seen, and Ready": {newClaim(wiped), see(newSandbox()), []string{"Normal Ready"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range transitions(test.claim.Status.Conditions, statusNow(test.claim, test.seen).Conditions) {
				got = append(got, e.kind+" "+e.reason)
				assert.NotEmpty(t, e.action, "the Events API wants one")
				assert.NotEmpty(t, e.note)
			}
			assert.Equal(t, test.want, got)
		})
	}
}
