// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"os"
	"testing"

	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// maxPoolReplicas is smaller than the server's default, so that the flag shows.
const maxPoolReplicas = 50

var env *harness.Env

func TestMain(m *testing.M) {
	tracing, stop, err := serveTraces()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	opts := harness.Options{Race: true, ServerArgs: []string{
		fmt.Sprintf("--max-pool-replicas=%d", maxPoolReplicas), "--tracing-config-file=" + tracing,
	}}
	code := harness.Main(m, opts, func(e *harness.Env) { env = e })
	stop()
	os.Exit(code)
}
