// SPDX-License-Identifier: Apache-2.0

package options

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSecurePort(t *testing.T) {
	for port, want := range map[int]string{
		6443:  "",
		0:     "--secure-port 0 must be between 1 and 65535, inclusive. It cannot be turned off with 0",
		-1:    "--secure-port -1 must be",
		65536: "--secure-port 65536 must be",
	} {
		o := New()
		o.DataDir, o.Recommended.SecureServing.BindPort = t.TempDir(), port
		completed, err := o.Complete()
		require.NoError(t, err)
		errs := completed.Validate()
		if want == "" {
			assert.Empty(t, errs, port)
			continue
		}
		require.Len(t, errs, 1, port)
		assert.ErrorContains(t, errs[0], want)
	}
}
