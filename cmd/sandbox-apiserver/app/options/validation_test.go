// SPDX-License-Identifier: Apache-2.0

package options

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfirmationFlags(t *testing.T) {
	const epoch, earlier, none = "1f0c7bb2-91a5-4d39-8a4b-2f6f0f1f7a10", "0b3a", "The Epoch"
	for name, c := range map[string]struct {
		epoch, complete string
		want            []string
	}{
		"neither":                      {"", "", nil},
		"a loss":                       {epoch, "", nil},
		"a move":                       {epoch, epoch, nil},
		"a loss, left from a move":     {epoch, earlier, nil},
		"complete alone":               {"", epoch, []string{"--confirm-storage-complete \"" + epoch + "\": it says nothing without"}},
		"no epoch of ours":             {none, "", []string{`--confirm-storage-epoch "The Epoch"`}},
		"complete, no epoch of ours":   {epoch, none, []string{`--confirm-storage-complete "The Epoch"`}},
		"a word that is no epoch ever": {epoch, "true", nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := New()
			o.ConfirmStorageEpoch, o.ConfirmStorageComplete = c.epoch, c.complete
			errs := o.validateConfirmation()
			require.Len(t, errs, len(c.want))
			for i := range errs {
				assert.ErrorContains(t, errs[i], c.want[i])
			}
		})
	}
}

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
