// SPDX-License-Identifier: Apache-2.0

package options

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestConfirmationFlags(t *testing.T) {
	const epoch = "1f0c7bb2-91a5-4d39-8a4b-2f6f0f1f7a10"
	for name, c := range map[string]struct {
		epoch    string
		complete bool
		want     string
	}{
		"neither":            {"", false, ""},
		"a loss":             {epoch, false, ""},
		"a move":             {epoch, true, ""},
		"complete alone":     {"", true, "--confirm-storage-complete: says nothing without --confirm-storage-epoch"},
		"no epoch of ours":   {"The Epoch", false, `--confirm-storage-epoch "The Epoch"`},
		"complete, no epoch": {"The Epoch", true, `--confirm-storage-epoch "The Epoch"`},
	} {
		t.Run(name, func(t *testing.T) {
			o := New()
			o.ConfirmStorageEpoch, o.ConfirmStorageComplete = c.epoch, c.complete
			errs := o.validateConfirmation()
			if c.want == "" {
				assert.Empty(t, errs)
				return
			}
			assert.Len(t, errs, 1)
			assert.ErrorContains(t, errs[0], c.want)
		})
	}
}
