// SPDX-License-Identifier: Apache-2.0

package certificates

import (
	"os"
	"testing"
	"time"

	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

const (
	certificateLifetime = 12 * time.Second
	spread              = 2 * time.Second
)

var env *harness.Env

func TestMain(m *testing.M) {
	options := harness.Options{Race: true, Replicas: 2, Nodes: 1, ServerArgs: []string{
		"--serving-certificate-lifetime=" + certificateLifetime.String(),
		"--serving-authority-spread=" + spread.String(),
	}}
	os.Exit(harness.Main(m, options, func(e *harness.Env) { env = e }))
}
