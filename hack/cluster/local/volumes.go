// SPDX-License-Identifier: Apache-2.0

package local

import _ "embed"

// StorageClass is the default class: every claim of it gets a volume at once, which goes
// with the claim. A claim of any other class stays Pending, and its Pod unscheduled.
const StorageClass = "standard"

//go:embed volumes/storageclass.yaml
var storageClassManifest string

//go:embed volumes/stages.yaml
var volumeStages []byte
