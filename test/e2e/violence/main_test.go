// SPDX-License-Identifier: Apache-2.0

package violence

import (
	"flag"
	"os"
	"testing"
	"time"

	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

var (
	// claims 5000 is the long form: go test ./test/e2e/violence -timeout 30m -violence.claims=5000
	claims = flag.Int("violence.claims", 600, "how many claims the clients make")
	// seed repeats a run as far as killed processes let it.
	seed = flag.Uint64("violence.seed", 0, "seed of the random choices; 0 chooses one")
	race = flag.Bool("violence.race", false, "build the server with the race detector")
)

// claimsPerSecond are as many as two cores can follow with Pods.
const claimsPerSecond = 15

var env *harness.Env

func TestMain(m *testing.M) {
	flag.Parse()
	const podsPerNode, spareNodes = 110, 3
	options := harness.Options{Race: *race, Replicas: 3, Nodes: *claims/podsPerNode + spareNodes}
	os.Exit(harness.Main(m, options, func(e *harness.Env) { env = e }))
}

// duration of the violence.
func duration() time.Duration {
	return time.Duration(*claims) * time.Second / claimsPerSecond
}
