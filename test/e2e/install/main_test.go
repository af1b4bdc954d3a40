// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"testing"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/localtest"
)

// cluster has nothing of ours installed.
var cluster *local.Cluster

func TestMain(m *testing.M) {
	os.Exit(localtest.Main(m, local.Options{WithoutServer: true}, func(c *local.Cluster) { cluster = c }))
}
