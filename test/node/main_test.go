// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/node"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

var (
	env *harness.Env
	// obstacles are why there is no node.
	obstacles []string
	skipped   atomic.Int32
)

func TestMain(m *testing.M) {
	if obstacles = node.Obstacles(); len(obstacles) == 0 {
		os.Exit(harness.Main(m, harness.Options{RealNode: true}, func(e *harness.Env) { env = e }))
	}
	code := m.Run()
	fmt.Printf("SKIPPED %d stories on a real node: %s\n", skipped.Load(), strings.Join(obstacles, "; "))
	os.Exit(code)
}

// story returns a namespace for one story, or skips it.
func story(t *testing.T) *harness.Space {
	t.Helper()
	if len(obstacles) > 0 {
		skipped.Add(1)
		t.Skipf("SKIPPED, this machine cannot run a real node: %s", strings.Join(obstacles, "; "))
	}
	return env.Space(t)
}
