// SPDX-License-Identifier: Apache-2.0

// Package harness is what the suites against a real cluster share: clients of every
// kind, a namespace for each test, objects to create, polls that say what they miss, and
// everything there is to know about a namespace whose test has failed.
//
// A suite has one cluster and starts it in TestMain:
//
//	var env *harness.Env
//
//	func TestMain(m *testing.M) {
//		os.Exit(harness.Main(m, harness.Options{Race: true}, func(e *harness.Env) { env = e }))
//	}
//
//	func TestSomething(t *testing.T) {
//		t.Parallel()
//		ns := env.Space(t)
//		ns.Create(harness.Sandbox("dev"))
//		ns.WaitReady("dev")
//	}
//
// Main fails the run when the server's log holds a data race or a panic. Clients go
// through kube-apiserver, as those of users do. Nothing here knows how the server works:
// it sees what a client sees, and the names that the API promises.
package harness
