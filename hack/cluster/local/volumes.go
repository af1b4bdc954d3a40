// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	_ "embed"
)

// StorageClass is the default class: every claim of it gets a volume at once, which goes
// with the claim. A claim of any other class stays Pending, and its Pod unscheduled.
const StorageClass = "standard"

//go:embed volumes/storageclass.yaml
var storageClassManifest string

//go:embed volumes/stages.yaml
var volumeStages []byte

// stagesOfVolumes has the volumes below the cluster's directory: simulated nodes never look
// there, and a real one keeps files there.
func stagesOfVolumes(paths layout) []byte {
	return bytes.ReplaceAll(volumeStages, []byte("DISKS"), []byte(paths.disks()))
}
