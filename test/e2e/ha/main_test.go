// SPDX-License-Identifier: Apache-2.0

package ha

import (
	"flag"
	"os"
	"testing"

	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// The long form: go test ./test/e2e/ha -timeout 30m -v -args -ha.rate=50 -ha.rounds=2
var (
	rate   = flag.Int("ha.rate", 10, "claims a second, and as many other requests")
	rounds = flag.Int("ha.rounds", 1, "how often every replica is restarted")
	race   = flag.Bool("ha.race", false, "build the server with the race detector")
)

var env *harness.Env

func TestMain(m *testing.M) {
	flag.Parse()
	// Claims are kept for a few seconds; deleted Pods make room with a delay.
	const secondsOfPods, podsPerNode, spareNodes = 60, 110, 3
	options := harness.Options{Race: *race, Replicas: 3, EtcdMembers: 3, Nodes: *rate*secondsOfPods/podsPerNode + spareNodes}
	os.Exit(harness.Main(m, options, func(e *harness.Env) { env = e }))
}
